//! ServiceMonitor, PodMonitor, alerts and the dashboard.

use std::fs;

use serde_json::Value;

use crate::tools::{OPERATOR, Tools, example, examples, must_succeed, object, of_kind, text, texts};

const KINDS: [&str; 3] = ["ServiceMonitor", "PodMonitor", "PrometheusRule"];

#[test]
fn objects_of_the_operator_have_the_fields_that_it_knows() {
    let Some(tools) = Tools::find() else { return };
    let mut seen = [0; 3];
    for values in examples() {
        let objects = tools.render(Some(&values), OPERATOR).unwrap();
        for (at, kind) in KINDS.iter().enumerate() {
            for object in of_kind(&objects, kind) {
                seen[at] += 1;
                must_succeed(kind, &tools.run("monitoring-check", &[""; 0], &object.to_string()));
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
    let wrong = r#"{"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": {"endpoint": []}}"#;
    assert!(!tools.run("monitoring-check", &[""; 0], wrong).status.success());
}

#[test]
fn they_are_made_only_where_the_cluster_has_the_kind() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("metrics")), &[]).unwrap();
    for kind in KINDS {
        assert_eq!(of_kind(&objects, kind).count(), 0, "{kind}");
    }
    let objects = tools.render(None, OPERATOR).unwrap();
    for kind in KINDS {
        assert_eq!(of_kind(&objects, kind).count(), 0, "{kind} is not asked for");
    }
}

#[test]
fn a_monitor_finds_the_port_and_keeps_the_namespaces_of_samples() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("metrics")), OPERATOR).unwrap();
    let monitor = &object(&objects, "ServiceMonitor", "buildreach-controller")["spec"];
    let service = object(&objects, "Service", "buildreach-metrics");
    for (name, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(service["metadata"]["labels"][name], *value);
    }
    assert_eq!(monitor["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(monitor["endpoints"][0]["honorLabels"], true);
    let pod = &object(&objects, "Deployment", "buildreach-controller")["spec"]["template"];
    for (name, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(pod["metadata"]["labels"][name], *value);
    }
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["name"], service["spec"]["ports"][0]["targetPort"]);

    let objects = tools.render(Some(&example("podmonitor")), OPERATOR).unwrap();
    assert_eq!(of_kind(&objects, "Service").count(), 0);
    let monitor = &object(&objects, "PodMonitor", "buildreach-controller")["spec"]["podMetricsEndpoints"][0];
    let pod = &object(&objects, "Deployment", "buildreach-controller")["spec"]["template"]["spec"];
    assert_eq!(monitor["port"], pod["containers"][0]["ports"][0]["name"]);
    assert_eq!(monitor["honorLabels"], true);
}

/// The rules that an example renders to, in the form of a file of Prometheus.
fn rules(tools: &Tools, values: &str) -> Value {
    let objects = tools.render(Some(&example(values)), OPERATOR).unwrap();
    object(&objects, "PrometheusRule", "buildreach")["spec"].clone()
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("rules.yaml"), rules(&tools, "metrics").to_string()).unwrap();
    must_succeed("the rules", &tools.run("promtool", &["check", "rules", &path("rules.yaml")], ""));
    fs::write(path("alerts_test.yaml"), include_str!("alerts_test.yaml")).unwrap();
    must_succeed("the alerts", &tools.run("promtool", &["test", "rules", &path("alerts_test.yaml")], ""));
}

#[test]
fn alerts_can_be_left_out_and_audits_that_rest_have_none() {
    let Some(tools) = Tools::find() else { return };
    let names = |spec: &Value| {
        let rules = spec["groups"][0]["rules"].as_array().unwrap();
        rules.iter().map(|rule| format!("{} {}", text(&rule["alert"]), rule["labels"]["audit"])).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&rules(&tools, "podmonitor")),
        ["BuildreachCoverageIncomplete null", "BuildreachControllerDown null"]
    );
    let objects =
        tools.render(Some(&example("audits")), &[OPERATOR, &["--set", "metrics.prometheusRule.enabled=true"]].concat());
    let objects = objects.unwrap();
    let spec = &object(&objects, "PrometheusRule", "buildreach")["spec"];
    assert_eq!(
        names(spec)[3..],
        [
            "BuildreachAuditOverdue \"controller\"",
            "BuildreachAuditOverdue \"nightly\"",
            "BuildreachAuditOverdue \"weekly\""
        ]
    );
    let nightly = &spec["groups"][0]["rules"][4];
    assert!(text(&nightly["expr"]).ends_with("> 172800"), "{nightly}");
    assert!(text(&nightly["annotations"]["description"]).contains("release@corp.example"), "{nightly}");
    // What cannot be told of itself: a Prometheus that has no metrics of CronJobs.
    let sets = ["--set", "metrics.prometheusRule.kubeStateMetrics=false"];
    let objects = tools.render(Some(&example("metrics")), &[OPERATOR, &sets].concat()).unwrap();
    assert!(!object(&objects, "PrometheusRule", "buildreach").to_string().contains("kube_cronjob"));
}

/// The metrics that the controller serves.
const METRICS: &[&str] = &[
    "buildreach_audit_timestamp_seconds",
    "buildreach_coverage_complete",
    "buildreach_endpoints",
    "buildreach_evaluation_seconds_bucket",
    "buildreach_findings",
    "buildreach_last_success_timestamp_seconds",
    "buildreach_leader",
    "buildreach_subjects",
    "buildreach_watch_restarts_total",
];

#[test]
fn the_dashboard_asks_for_metrics_that_there_are_and_prometheus_understands_it() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("metrics")), &[]).unwrap();
    let map = object(&objects, "ConfigMap", "buildreach-dashboard-buildreach");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Builds");
    let dashboard: Value = serde_json::from_str(text(&map["data"]["buildreach.json"])).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<&str> = targets.map(|target| text(&target["expr"])).collect();
    assert!(expressions.len() > 10);
    let mut rules = Vec::new();
    for expression in &expressions {
        let names =
            expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("buildreach_"));
        for name in names {
            assert!(METRICS.contains(&name), "{name}");
        }
        // Grafana puts these in.
        let expression = expression.replace("$__rate_interval", "5m").replace("$namespace", ".*");
        rules.push(
            serde_json::json!({"record": "panel", "expr": expression, "labels": {"at": rules.len().to_string()}}),
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panels.yaml");
    fs::write(&path, serde_json::json!({"groups": [{"name": "panels", "rules": rules}]}).to_string()).unwrap();
    must_succeed("the dashboard", &tools.run("promtool", &["check", "rules", &path.display().to_string()], ""));
    assert_eq!(texts(&dashboard["tags"]), ["buildreach"]);
}
