//! Helm and what checks what it renders.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// The folder of the chart.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/buildreach")
}

/// The folder that `tests/chart-tools.sh` prints.
pub(crate) struct Tools(PathBuf);

impl Tools {
    /// `None` (and a line that says so) where there are none; with `CI=true` that is a failure.
    pub(crate) fn find() -> Option<Self> {
        let Some(folder) = env::var_os("BUILDREACH_CHART_TOOLS").filter(|path| !path.is_empty()) else {
            assert!(
                env::var_os("CI").is_none_or(|ci| ci != "true"),
                "BUILDREACH_CHART_TOOLS is not set, and with CI=true the chart must be tested"
            );
            eprintln!("skipped: BUILDREACH_CHART_TOOLS is not set, so the chart is not rendered here");
            return None;
        };
        Some(Self(PathBuf::from(folder)))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        assert!(path.exists(), "{} is missing in BUILDREACH_CHART_TOOLS", path.display());
        path
    }

    /// A program with its arguments, and what it reads.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A], input: &str) -> Output {
        run(Command::new(self.path(program)).args(arguments), input)
    }

    /// What the chart renders to with these values, a file of `ci/`, and with more arguments; else Helm's words.
    pub(crate) fn render(&self, values: Option<&Path>, more: &[&str]) -> Result<Vec<Value>, String> {
        let text = self.render_text(values, more)?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| format!("{error}\n{text}"))?;
        Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
    }

    /// The same as text. Several tests look at one example, which Helm renders once.
    pub(crate) fn render_text(&self, values: Option<&Path>, more: &[&str]) -> Result<String, String> {
        static RENDERED: Mutex<BTreeMap<String, Result<String, String>>> = Mutex::new(BTreeMap::new());
        let key = format!("{values:?} {more:?}");
        if let Some(rendered) = lock(&RENDERED).get(&key) {
            return rendered.clone();
        }
        let rendered = self.helm_template(values, more);
        lock(&RENDERED).insert(key, rendered.clone());
        rendered
    }

    fn helm_template(&self, values: Option<&Path>, more: &[&str]) -> Result<String, String> {
        let mut command = Command::new(self.path("helm"));
        command.args(["template", "buildreach"]).arg(chart()).args(["--namespace", "buildreach"]);
        if let Some(values) = values {
            command.arg("--values").arg(values);
        }
        let output = run(command.args(more), "");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A test that failed while it held the lock left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The flags that tell Helm of a cluster with the Prometheus operator.
pub(crate) const OPERATOR: &[&str] = &[
    "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
    "--api-versions=monitoring.coreos.com/v1/PodMonitor",
    "--api-versions=monitoring.coreos.com/v1/PrometheusRule",
];

/// The files of `ci/`, by name: one for each feature.
pub(crate) fn examples() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(chart().join("ci")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    files
}

/// One of them.
pub(crate) fn example(name: &str) -> PathBuf {
    chart().join(format!("ci/{name}-values.yaml"))
}

/// The object of a kind and name.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = of_kind(objects, kind).filter(|object| object["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// The objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// Kind, name and specification of every pod that the objects lead to.
pub(crate) fn pods(objects: &[Value]) -> Vec<(String, &Value)> {
    let pod = |object| {
        let object: &Value = object;
        let spec = match object["kind"].as_str()? {
            "Pod" => &object["spec"],
            "Deployment" | "DaemonSet" => &object["spec"]["template"]["spec"],
            "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            _ => return None,
        };
        assert!(spec.is_object(), "{object:#}");
        Some((format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"])), spec))
    };
    objects.iter().filter_map(pod).collect()
}

/// A text of an object.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A list of texts.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(text).collect()
}

pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A program that does not read to the end has its say through its status.
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output().unwrap()
    })
}

/// Fails with what the program said.
pub(crate) fn must_succeed(what: &str, output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
}
