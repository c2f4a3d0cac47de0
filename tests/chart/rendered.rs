//! What every example of `ci/` renders to is right by the schemas of the API, by Pod Security and by the program's flags.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use buildreach::crd;
use serde_json::{Value, json};

use crate::release::flags;
use crate::tools::{OPERATOR, Tools, chart, example, examples, must_succeed, object, of_kind, pods, text, texts};

#[test]
fn helm_finds_nothing_to_say_about_any_example() {
    let Some(tools) = Tools::find() else { return };
    for values in examples() {
        let (chart, values) = (chart(), values);
        let arguments =
            ["lint".as_ref(), "--strict".as_ref(), chart.as_os_str(), "--values".as_ref(), values.as_os_str()];
        let output = tools.run("helm", &arguments, "");
        must_succeed(&values.display().to_string(), &output);
        assert!(!String::from_utf8_lossy(&output.stdout).contains("[WARNING]"), "{}", values.display());
    }
}

/// The schemas of our own kinds, strict as those of the API: the definitions are not, for a server drops what it does not know.
fn write_own_schemas(folder: &Path) {
    for definition in crd::definitions().unwrap() {
        let definition: Value = serde_saphyr::from_str(&definition.yaml).unwrap();
        let version = &definition["spec"]["versions"][0];
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        strict(&mut schema);
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            schema["properties"][name] = json!({"type": kind});
        }
        let kind = text(&definition["spec"]["names"]["kind"]).to_lowercase();
        let path = folder.join(format!("{kind}-buildreach-{}.json", text(&version["name"])));
        fs::write(path, schema.to_string()).unwrap();
    }
}

fn strict(schema: &mut Value) {
    if schema["properties"].is_object() {
        schema["additionalProperties"] = false.into();
    }
    if schema["nullable"] == true {
        schema["type"] = json!([schema["type"], "null"]);
    }
    match schema {
        Value::Object(map) => map.values_mut().for_each(strict),
        Value::Array(list) => list.iter_mut().for_each(strict),
        _ => {}
    }
}

/// Runs kubeconform over manifests by name, against every version of the API that there are schemas of; what it refuses.
fn refused(tools: &Tools, manifests: &[(&str, &str)]) -> Vec<String> {
    let (own, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_own_schemas(own.path());
    for (name, text) in manifests {
        fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let mut refused = Vec::new();
    let mut versions = 0;
    for schemas in fs::read_dir(tools.path("schemas")).unwrap() {
        let schemas = schemas.unwrap().path();
        versions += 1;
        let location = |folder: &Path| format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", folder.display());
        let (api, own, folder) = (location(&schemas), location(own.path()), folder.path().display().to_string());
        let mut arguments = vec!["-strict", "-output", "json", "-schema-location", &api, "-schema-location", &own];
        // monitoring-check reads these.
        arguments.extend(["-skip", "PodMonitor,PrometheusRule,ServiceMonitor", &folder]);
        let output = tools.run("kubeconform", &arguments, "");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let resources = report["resources"].as_array().cloned().unwrap_or_default();
        assert_eq!(output.status.success(), resources.is_empty());
        let version = schemas.file_name().unwrap().to_string_lossy().into_owned();
        let name = |r: &Value| text(&r["filename"]).rsplit('/').next().unwrap_or_default().to_owned();
        refused.extend(
            resources.iter().map(|r| format!("{version}: {} {} {}: {}", name(r), r["kind"], r["name"], r["msg"])),
        );
    }
    assert!(versions >= 2, "the schemas of the oldest and of the newest version of the API");
    refused
}

#[test]
fn every_example_is_valid_by_the_schemas_of_the_api() {
    let Some(tools) = Tools::find() else { return };
    let mut manifests = Vec::new();
    for values in examples() {
        let name = values.file_stem().unwrap().to_string_lossy().into_owned();
        manifests.push((name, tools.render_text(Some(&values), OPERATOR).unwrap()));
    }
    let about: Value = serde_saphyr::from_str(&fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    let samples: Value = serde_saphyr::from_str(text(&about["annotations"]["artifacthub.io/crdsExamples"])).unwrap();
    for (at, sample) in samples.as_array().unwrap().iter().enumerate() {
        manifests.push((format!("sample-{at}"), sample.to_string()));
    }
    let manifests: Vec<(&str, &str)> = manifests.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(refused(&tools, &manifests), Vec::<String>::new());
    // The check is one: a field that no such object has, one of our own kinds with a wrong type, and a kind that is not known.
    let head = |kind: &str| format!("kind: {kind}\nmetadata: {{name: a}}\n");
    let port = format!("apiVersion: v1\n{}spec: {{portz: []}}\n", head("Service"));
    let own =
        format!("apiVersion: buildreach.dev/v1alpha1\n{}spec: {{endpoints: [{{host: 1}}]}}\n", head("EndpointSet"));
    let kind = format!("apiVersion: example.com/v1\n{}", head("Nothing"));
    let refused = refused(&tools, &[("port", &port), ("own", &own), ("kind", &kind)]);
    assert_eq!(refused.len(), 3 * fs::read_dir(tools.path("schemas")).unwrap().count(), "{refused:#?}");
}

#[test]
fn values_that_the_chart_does_not_know_are_refused() {
    let Some(tools) = Tools::find() else { return };
    for (wrong, said) in [
        ("controler.replicas=2", "controler"),
        ("controller.replica=2", "replica"),
        ("agent.resources.limit.memory=1Gi", "limit"),
        ("controller.reports=all", "reports"),
        ("metrics.port=70000", "port"),
        ("image.digest=0123", "digest"),
        ("auditDefaults.formats={}", "formats"),
        ("auditDefaults.schedule=daily", "schedule"),
        ("audits[0].name=Weekly", "name"),
        ("audits[0].report.to=s3", "to"),
        ("networkPolicy.apiServer.cidrs[0]=10.0.0.1", "cidrs"),
        ("logLevel=trace", "logLevel"),
    ] {
        let error = tools.render(None, &["--set", wrong]).expect_err(wrong);
        assert!(error.contains("schema") && error.contains(said), "{wrong}: {error}");
    }
    for (wrong, said) in [
        (vec!["controller.replicas=2", "controller.leaderElection.enabled=false"], "leaderElection"),
        (vec!["metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled=true"], "twice"),
        (vec!["metrics.serviceMonitor.enabled=true", "metrics.service.enabled=false"], "through a Service"),
        (vec!["audits[0].name=a", "audits[1].name=a"], "two rows"),
    ] {
        let arguments: Vec<&str> = wrong.iter().flat_map(|set| ["--set", set]).collect();
        let error = tools.render(None, &arguments).expect_err(said);
        assert!(error.contains(said), "{wrong:?}: {error}");
    }
    // What parents of this chart share with all of their charts.
    tools.render(None, &["--set", "global.corp=1"]).unwrap();
}

/// The volumes that the level `restricted` lets pods have.
const VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What the level `restricted` of Pod Security asks of a pod (the version of Kubernetes 1.36): what is against it.
fn against_restricted(pod: &Value) -> Vec<String> {
    let mut against = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            against.push(what.to_owned());
        }
    };
    for name in ["hostNetwork", "hostPID", "hostIPC"] {
        must(pod[name] != true, name);
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let mut kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        must(kinds.all(|kind| VOLUMES.contains(&kind.as_str())), "volumes");
    }
    let whole = &pod["securityContext"];
    let containers =
        ["containers", "initContainers"].iter().flat_map(|list| pod[*list].as_array().into_iter().flatten());
    for container in containers {
        let own = &container["securityContext"];
        let of = |name: &str| if own[name].is_null() { whole[name].clone() } else { own[name].clone() };
        must(own["privileged"] != true, "privileged");
        must(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
        must(of("runAsNonRoot") == true, "runAsNonRoot");
        must(of("runAsUser") != 0, "runAsUser");
        must(
            ["RuntimeDefault", "Localhost"].contains(&of("seccompProfile")["type"].as_str().unwrap_or("")),
            "seccompProfile",
        );
        must(texts(&own["capabilities"]["drop"]).contains(&"ALL"), "capabilities.drop");
        must(texts(&own["capabilities"]["add"]).iter().all(|c| *c == "NET_BIND_SERVICE"), "capabilities.add");
        must(
            container["ports"].as_array().into_iter().flatten().all(|port| port.get("hostPort").is_none()),
            "hostPort",
        );
    }
    against
}

#[test]
fn pods_are_restricted_and_the_agent_but_for_its_volume() {
    let Some(tools) = Tools::find() else { return };
    let mut seen = BTreeSet::new();
    for values in examples() {
        let objects = tools.render(Some(&values), OPERATOR).unwrap();
        for (name, pod) in pods(&objects) {
            let expected: &[&str] = match name.as_str() {
                "DaemonSet buildreach-agent" => &["volumes", "runAsNonRoot", "runAsUser", "capabilities.add"],
                _ => &[],
            };
            assert_eq!(against_restricted(pod), expected, "{name} of {}", values.display());
            for container in pod["containers"].as_array().unwrap() {
                assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
                assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            }
            seen.insert(name);
        }
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false);
        }
    }
    assert!(seen.len() > 6, "{seen:?}");
    // Without readAll it is the volume alone.
    let objects = tools.render(None, &["--set", "agent.enabled=true"]).unwrap();
    let agent = object(&objects, "DaemonSet", "buildreach-agent");
    assert_eq!(against_restricted(&agent["spec"]["template"]["spec"]), ["volumes"]);
}

#[test]
fn the_agent_is_the_one_of_the_documentation() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(None, &["--set", "agent.enabled=true"]).unwrap();
    let documented = include_str!("../../docs/trust-agent.yaml");
    let documented: Vec<Value> = serde_saphyr::from_multiple(documented).unwrap();
    let rules = |objects: &[Value]| object(objects, "ClusterRole", "buildreach-agent")["rules"].clone();
    assert_eq!(rules(&objects), rules(&documented));
    let pod = |objects: &[Value]| object(objects, "DaemonSet", "buildreach-agent")["spec"]["template"]["spec"].clone();
    let (ours, theirs) = (pod(&objects), pod(&documented));
    for name in ["hostNetwork", "hostPID", "hostIPC", "nodeSelector", "tolerations", "securityContext", "volumes"] {
        assert_eq!(ours[name], theirs[name], "{name}");
    }
    for name in ["env", "volumeMounts"] {
        assert_eq!(ours["containers"][0][name], theirs["containers"][0][name], "{name}");
    }
}

#[test]
fn the_program_has_the_flags_that_the_chart_passes() {
    let Some(tools) = Tools::find() else { return };
    let mut checked = BTreeSet::new();
    for values in examples() {
        let objects = tools.render(Some(&values), &[]).unwrap();
        for (name, pod) in pods(&objects) {
            let arguments = texts(&pod["containers"][0]["args"]);
            let command = arguments[0];
            let known = flags(command).unwrap_or_else(|| panic!("the program has no command {command}"));
            for flag in arguments.iter().filter(|argument| argument.starts_with('-')) {
                let flag = if flag.starts_with("-v") { "-v" } else { flag };
                assert!(known.contains(flag), "{name} of {}: `{command}` has no {flag}", values.display());
            }
            checked.insert(command.to_owned());
        }
    }
    assert_eq!(checked, ["agent", "audit", "controller"].map(str::to_owned).into());
}

#[test]
fn a_row_of_the_plan_says_what_is_run_and_where_its_report_goes() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("audits")), &[]).unwrap();
    let nightly = object(&objects, "CronJob", "buildreach-nightly");
    let spec = &nightly["spec"];
    assert_eq!(nightly["metadata"]["annotations"]["buildreach.dev/owner"], "release@corp.example");
    // `false` and 0 of a row stand, though its defaults say otherwise.
    assert_eq!((&spec["suspend"], &spec["timeZone"]), (&json!(false), &json!("Europe/Berlin")));
    let job = &spec["jobTemplate"]["spec"];
    assert_eq!((&job["backoffLimit"], &job["ttlSecondsAfterFinished"]), (&json!(0), &json!(2_592_000)));
    let pod = &job["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["securityContext"]["fsGroup"], 65532);
    assert_eq!(
        texts(&pod["containers"][0]["args"]),
        [
            "audit",
            "--exit-zero",
            "-o",
            "markdown",
            "-o",
            "sarif",
            "--archive",
            "/reports",
            "--retain",
            "30",
            "-n",
            "release",
            "-n",
            "hotfix",
            "-l",
            "team in (build,release),tier!=test",
            "-v",
            "--require-complete"
        ]
    );
    let claim = object(&objects, "PersistentVolumeClaim", "buildreach-nightly-reports");
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    // A claim that is there is not made.
    assert_eq!(of_kind(&objects, "PersistentVolumeClaim").count(), 1);

    let weekly = object(&objects, "CronJob", "buildreach-weekly");
    let container = &weekly["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        texts(&container["args"]),
        [
            "audit",
            "--exit-zero",
            "-o",
            "markdown",
            "--archive-config-map",
            "$(POD_NAMESPACE)/reports-of-builds",
            "--retain",
            "10",
            "-v"
        ]
    );
    // `$(POD_NAMESPACE)` is put in by the kubelet out of this.
    let environment = container["env"].as_array().unwrap();
    assert!(environment.iter().any(|variable| variable["name"] == "POD_NAMESPACE"
        && variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"));
    let monthly = object(&objects, "CronJob", "buildreach-monthly");
    assert_eq!((&monthly["spec"]["suspend"], &monthly["spec"]["schedule"]), (&json!(true), &json!("@monthly")));
    let arguments = &monthly["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(texts(arguments), ["audit", "--exit-zero", "-o", "markdown", "-v"]);
}

#[test]
fn the_controller_is_started_as_the_values_say() {
    let Some(tools) = Tools::find() else { return };
    let arguments = |values: &str| {
        let objects = tools.render(Some(&example(values)), &[]).unwrap();
        let pod = &of_kind(&objects, "Deployment").next().unwrap()["spec"]["template"]["spec"];
        texts(&pod["containers"][0]["args"]).join(" ")
    };
    let lease = "--leader-elect --lease-namespace $(POD_NAMESPACE) --lease-name buildreach-controller";
    assert_eq!(
        arguments("default"),
        format!(
            "controller --metrics-address 0.0.0.0:8080 {lease} --reports auto --default-audit --log-format json -v"
        )
    );
    assert_eq!(
        arguments("namespaced"),
        format!(
            "controller --metrics-address 0.0.0.0:8080 {lease} --reports auto --watch-namespace team-a \
                 --watch-namespace team-a-ci --log-format json -v"
        )
    );
    assert_eq!(
        arguments("aws"),
        format!(
            "controller --metrics-address 0.0.0.0:8080 {lease} --reports auto --default-audit --cni aws --aws \
                 --aws-interval 10m --log-format json -v"
        )
    );
    assert!(arguments("annotate").contains(" --reports policyreport --default-audit --annotate "));
    assert!(arguments("podmonitor").contains("--metrics-address [::]:9090 "));
    assert_eq!(
        arguments("existing-accounts"),
        "controller --metrics-address 0.0.0.0:8080 --reports auto --log-format json -v"
    );
    // Without a Lease two of them must not run beside each other.
    let strategy = |values: &str| {
        let objects = tools.render(Some(&example(values)), &[]).unwrap();
        of_kind(&objects, "Deployment").next().unwrap()["spec"]["strategy"]["type"].clone()
    };
    assert_eq!((strategy("default"), strategy("existing-accounts")), (Value::Null, json!("Recreate")));
}

/// The same with all numbers as floating point ones: Helm writes 1 for 1.0.
fn as_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(as_floats).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), as_floats(value))).collect()),
        other => other.clone(),
    }
}

#[test]
fn definitions_are_those_of_the_project_and_stay() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(None, &[]).unwrap();
    let mut rendered: Vec<Value> = of_kind(&objects, "CustomResourceDefinition").cloned().collect();
    for definition in &mut rendered {
        let metadata = definition["metadata"].as_object_mut().unwrap();
        assert_eq!(metadata.remove("annotations"), Some(json!({"helm.sh/resource-policy": "keep"})));
        metadata.remove("labels");
    }
    let definitions = crd::definitions().unwrap();
    let own: Vec<Value> = definitions.iter().map(|d| serde_saphyr::from_str(&d.yaml).unwrap()).collect();
    assert_eq!(rendered.len(), own.len());
    for (rendered, own) in rendered.iter().zip(&own) {
        assert_eq!(as_floats(rendered), as_floats(own));
    }
    let objects = tools.render(None, &["--set", "crds.keep=false"]).unwrap();
    let annotations = |d: &Value| d["metadata"].get("annotations").is_none();
    assert!(of_kind(&objects, "CustomResourceDefinition").all(annotations));
    let objects = tools.render(None, &["--set", "crds.enabled=false"]).unwrap();
    assert_eq!(of_kind(&objects, "CustomResourceDefinition").count(), 0);
}

#[test]
fn images_come_from_where_the_values_say() {
    let Some(tools) = Tools::find() else { return };
    let image = |sets: &[&str]| {
        let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let objects = tools.render(None, &arguments).unwrap();
        let images: BTreeSet<_> =
            pods(&objects).iter().map(|(_, pod)| text(&pod["containers"][0]["image"]).to_owned()).collect();
        assert_eq!(images.len(), 1, "{images:?}");
        images.into_iter().next().unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(image(&[]), format!("buildreach:{version}"));
    assert_eq!(image(&["image.registry=r.example:5000", "image.tag=x"]), "r.example:5000/buildreach:x");
    assert_eq!(
        image(&["image.registry=a", "global.imageRegistry=b/mirror/"]),
        format!("b/mirror/buildreach:{version}")
    );
    let digest = format!("sha256:{}", "ab".repeat(32));
    assert_eq!(image(&["image.tag=x", &format!("image.digest={digest}")]), format!("buildreach@{digest}"));
}
