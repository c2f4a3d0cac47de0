//! The content of one report: what the two report APIs have in common, written twice. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::rows::{Row, Verdict, sha256};
use crate::controller::metrics;
use crate::controller::target::Target;
use crate::controller::told::{Subject, Told, Whom};

/// The most results in a report; the rest is counted.
pub(super) const MOST_RESULTS: usize = 500;

/// The most that a report may take as JSON, in bytes: below what etcd takes (1.5 MiB), with room for managed fields.
const MOST_BYTES: usize = 768 << 10;

/// The label of what this program keeps.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "buildreach");

/// The annotation with the digest of a report's content.
pub(super) const DIGEST: &str = "buildreach.dev/digest";

/// The annotation that tells how many results are not listed.
const OMITTED: &str = "buildreach.dev/omitted-results";

/// A change of the form of reports: with another number all are written anew.
const FORM: &[u8] = b"1";

/// One of the report APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) struct Form {
    /// API group.
    pub(super) group: &'static str,
    /// Its version.
    pub(super) version: &'static str,
    /// Kind of the report of a namespace.
    pub(super) kind: &'static str,
    /// Its plural.
    pub(super) plural: &'static str,
    /// The report has a field for who wrote it, and one for limits.
    has_source: bool,
}

/// OpenReports: where the reports of policies live on.
pub(super) const OPEN_REPORT: Form =
    Form { group: "openreports.io", version: "v1alpha1", kind: "Report", plural: "reports", has_source: true };

/// PolicyReports of the policy working group, which OpenReports follow.
pub(super) const POLICY_REPORT: Form = Form {
    group: "wgpolicyk8s.io",
    version: "v1alpha2",
    kind: "PolicyReport",
    plural: "policyreports",
    has_source: false,
};

impl Form {
    /// `group/version`.
    pub(super) fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }
}

/// The name of the report of a subject: readable where it fits, at most 63 characters, the same for the same subject.
pub(super) fn name(whom: &Whom) -> String {
    let plain = format!("buildreach-{}-{}", whom.kind.to_lowercase(), whom.name);
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if plain.len() <= 63 && plain.chars().all(is_fine) {
        return plain;
    }
    let digest = hex(&sha256(&[whom.kind.as_bytes(), whom.name.as_bytes()])[..8]);
    let start: String = plain.chars().map(|c| if is_fine(c) { c } else { '-' }).take(46).collect();
    format!("{}-{digest}", start.trim_end_matches(['-', '.']))
}

/// What the report of a subject says, in short.
pub(super) fn digest(told: &Told, subject: &Subject) -> String {
    let whom = &subject.whom;
    let names: Vec<String> = subject.by.iter().map(|by| metrics::name(&told.audits[by.audit].0)).collect();
    let mut parts: Vec<&[u8]> = vec![FORM, whom.namespace.as_bytes(), whom.kind.as_bytes(), whom.name.as_bytes()];
    for (by, name) in subject.by.iter().zip(&names) {
        parts.extend([name.as_bytes(), by.rows.digest.as_slice()]);
        parts.extend(by.own.as_ref().map(|own| own.digest.as_slice()));
    }
    hex(&sha256(&parts))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}"); // writing to a String cannot fail
        out
    })
}

/// The report of a subject with at most `most` results, and how many it has. Fewer where they would take too much room.
pub(super) fn report(
    form: Form,
    told: &Told,
    subject: &Subject,
    target: Option<&Target>,
    most: usize,
) -> (Value, usize) {
    let mut most = most;
    loop {
        let (value, listed) = sized(form, told, subject, target, most);
        if listed <= 1 || serde_json::to_vec(&value).map_or(0, |text| text.len()) <= MOST_BYTES {
            return (value, listed);
        }
        most = listed / 2;
    }
}

fn sized(form: Form, told: &Told, subject: &Subject, target: Option<&Target>, most: usize) -> (Value, usize) {
    // What two audits say alike is said once.
    let mut rows: BTreeMap<&Row, Vec<String>> = BTreeMap::new();
    for by in &subject.by {
        let audit = metrics::name(&told.audits[by.audit].0);
        for row in by.rows.rows.iter().chain(by.own.iter().flat_map(|own| &own.rows)) {
            let audits = rows.entry(row).or_default();
            if !audits.contains(&audit) {
                audits.push(audit.clone());
            }
        }
    }
    let count = |verdict| rows.keys().filter(|row| row.result == verdict).count();
    let whom = &subject.whom;
    let results: Vec<Value> = rows.iter().take(most).map(|(row, audits)| result(whom, row, audits)).collect();
    let omitted = rows.len() - results.len();
    let listed = results.len();
    let mut annotations = json!({ DIGEST: digest(told, subject) });
    if omitted > 0 {
        annotations[OMITTED] = json!(omitted.to_string());
    }
    let mut value = json!({
        "apiVersion": form.api_version(),
        "kind": form.kind,
        "metadata": {
            "name": name(whom),
            "namespace": whom.namespace,
            "labels": { MANAGED_BY.0: MANAGED_BY.1 },
            "annotations": annotations,
        },
        "scope": {"kind": whom.kind, "namespace": whom.namespace, "name": whom.name},
        "summary": {
            "pass": count(Verdict::Pass),
            "fail": count(Verdict::Fail),
            "warn": count(Verdict::Warn),
            "error": count(Verdict::Error),
            "skip": count(Verdict::Skip),
        },
        "results": results,
    });
    if form.has_source {
        value["source"] = json!(super::SOURCE);
        value["configuration"] = json!({"limits": {"maxResults": MOST_RESULTS}});
    }
    if let Some(target) = target {
        value["scope"]["apiVersion"] = json!(target.api_version);
        value["scope"]["uid"] = json!(target.uid);
        value["metadata"]["ownerReferences"] = json!([{
            "apiVersion": target.api_version, "kind": target.kind, "name": target.name, "uid": target.uid,
        }]);
    }
    (value, listed)
}

fn result(whom: &Whom, row: &Row, audits: &[String]) -> Value {
    let policy = audits.first().map(String::as_str).unwrap_or_default();
    let mut properties = json!(row.properties);
    let endpoint = row.properties.get("endpoint").map_or("", String::as_str);
    let fingerprint = row.properties.get("fingerprint").map_or("", String::as_str);
    let ecosystem = row.properties.get("ecosystem").map_or("", String::as_str);
    // Who keeps results apart by their id sees the same one while the same thing is asked and found.
    let id = [policy, &*row.rule, ecosystem, endpoint, fingerprint, &*whom.namespace, &*whom.kind, &*whom.name];
    properties["resultID"] = json!(hex(&sha256(&id.map(str::as_bytes))[..16]));
    if audits.len() > 1 {
        properties["audits"] = json!(audits.join(", "));
    }
    json!({
        "source": super::SOURCE,
        "policy": policy,
        "rule": row.rule,
        "category": row.category,
        "severity": row.severity,
        "result": row.result,
        "scored": true,
        "message": row.message,
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::super::rows::{Index, Rows};
    use super::*;
    use crate::controller::told::{ByAudit, Way};
    use crate::controller::wish::AuditId;
    use crate::model::report::AuditReport;
    use crate::model::{Outcome, Str};

    const SUBJECT: &str = "ci/Job/build";

    /// Endpoints of one path: `host` and whether it is required.
    fn path(outcome: &str, layer: &str, summary: &str, endpoints: &[(&str, bool)]) -> Value {
        let endpoints: Vec<Value> = endpoints
            .iter()
            .map(|(host, required)| json!({"host": host, "port": 443, "protocol": "TCP", "required": required}))
            .collect();
        json!({"ecosystem": "go", "endpoints": endpoints, "outcome": outcome, "trace": {"steps": [{
            "layer": layer, "outcome": outcome, "summary": summary,
            "evidence": [{"object": {"kind": "NetworkPolicy", "namespace": "ci", "name": "deny"}, "decided": "ByDefault"}],
        }]}})
    }

    fn finding(code: &str, message: &str, endpoints: &[&str]) -> Value {
        json!({"code": code, "severity": "critical", "title": "t", "message": message, "fingerprint": format!("f-{code}"),
            "evidence": [{"object": {"kind": "NetworkPolicy", "namespace": "ci", "name": "deny"}, "decided": "ByDefault"}],
            "hits": [{"subject": SUBJECT, "endpoints": endpoints}]})
    }

    fn answer(paths: &[Value], findings: &[Value], excepted: &Value) -> AuditReport {
        serde_json::from_value(json!({
            "apiVersion": "buildreach.dev/v1alpha1", "kind": "AuditReport", "version": "0", "instant": "2026-11-30T00:00:00Z",
            "catalogue": "2026-11-01", "coverage": [], "notAssessed": [], "findings": findings, "excepted": excepted,
            "summary": {"subjects": {"Reachable": 0, "Blocked": 1, "Partial": 0, "Unknown": 0},
                "outcomes": {"Reachable": 0, "Blocked": 1, "Partial": 0, "Unknown": 0}, "findings": {}, "coverageComplete": true},
            "results": [{"subjects": [{"name": SUBJECT}], "outcome": "Blocked", "paths": paths}],
        }))
        .unwrap()
    }

    fn told(answers: &[AuditReport]) -> Told {
        let whom = Whom { namespace: "ci".into(), kind: "Job".into(), name: "build".into(), way: Way::Direct };
        let by = answers.iter().enumerate().map(|(audit, report)| {
            let mut index = Index::new(report);
            let (rows, used) = index.rows(&report.results[0]);
            let rows = Rows::new(rows);
            let rows = index.accepted(SUBJECT, &rows.rows).unwrap_or(rows);
            let own = index.own(SUBJECT, &used);
            ByAudit { audit, outcome: Outcome::Blocked, rows: Arc::new(rows), own }
        });
        let subject = Subject { whom, outcome: Outcome::Blocked, by: by.collect() };
        let audits = (0..answers.len()).map(|n| (AuditId::Cluster { name: format!("audit-{n}") }, String::new()));
        Told {
            instant: jiff::Timestamp::UNIX_EPOCH,
            audits: audits.collect(),
            subjects: [(Str::from(SUBJECT), subject)].into(),
            is_whole: true,
        }
    }

    fn written(told: &Told, most: usize) -> Value {
        report(OPEN_REPORT, told, &told.subjects[SUBJECT], None, most).0
    }

    fn blocked() -> AuditReport {
        let paths = [
            path("Blocked", "policy", "closed", &[("a.example", true), ("b.example", false)]),
            path("Reachable", "policy", "open", &[("c.example", true)]),
            path("Unknown", "dns", "who knows", &[("d.example", true)]),
            path("Partial", "policy", "some", &[("e.example", true)]),
        ];
        let findings = [
            finding("BR-NET-001", "closed", &["a.example:443"]),
            finding("BR-NET-009", "open to all", &[]),
            finding("BR-NET-003", "closed", &["b.example:443"]),
        ];
        answer(&paths, &findings, &json!([]))
    }

    #[test]
    fn outcomes_are_results() {
        let value = written(&told(&[blocked()]), 500);
        let results = value["results"].as_array().unwrap();
        let of = |host: &str| {
            results.iter().find(|r| r["properties"]["endpoint"] == format!("{host}.example:443")).unwrap().clone()
        };
        assert_eq!((&of("a")["result"], &of("a")["rule"]), (&json!("fail"), &json!("BR-NET-001")));
        assert_eq!(of("a")["properties"]["blockedBy"], "NetworkPolicy ci/deny");
        assert_eq!(of("a")["properties"]["fingerprint"], "f-BR-NET-001");
        // What is needed only in some flows never fails.
        assert_eq!(of("b")["result"], "warn");
        assert_eq!((&of("c")["result"], &of("c")["rule"]), (&json!("pass"), &json!("Reachable")));
        assert_eq!(of("d")["result"], "error");
        assert_eq!(of("e")["result"], "fail");
        // What is about no endpoint is there as well.
        assert!(results.iter().any(|r| r["rule"] == "BR-NET-009" && r["result"] == "warn"), "{results:#?}");
        assert_eq!(value["summary"], json!({"pass": 1, "fail": 2, "warn": 2, "error": 1, "skip": 0}));
        assert!(results.iter().all(|r| r["policy"] == "audit-0" && r["source"] == "buildreach"));
        let ids: std::collections::BTreeSet<_> =
            results.iter().map(|r| r["properties"]["resultID"].to_string()).collect();
        assert_eq!(ids.len(), results.len());
    }

    #[test]
    fn a_policy_report_has_no_fields_of_the_other_api() {
        let told = told(&[blocked()]);
        let (value, _) = report(POLICY_REPORT, &told, &told.subjects[SUBJECT], None, 500);
        assert_eq!((&value["apiVersion"], &value["kind"]), (&json!("wgpolicyk8s.io/v1alpha2"), &json!("PolicyReport")));
        assert_eq!((value.get("source"), value.get("configuration")), (None, None));
    }

    #[test]
    fn two_audits_that_say_the_same_say_it_once() {
        let (one, both) = (written(&told(&[blocked()]), 500), written(&told(&[blocked(), blocked()]), 500));
        assert_eq!(one["summary"], both["summary"]);
        assert_eq!(both["results"][0]["properties"]["audits"], "audit-0, audit-1");
        // Where they differ, both stand.
        let other = answer(&[path("Unknown", "cloud", "not assessed", &[("a.example", true)])], &[], &json!([]));
        let both = written(&told(&[blocked(), other]), 500);
        let of_a =
            both["results"].as_array().unwrap().iter().filter(|r| r["properties"]["endpoint"] == "a.example:443");
        assert_eq!(of_a.map(|r| r["result"].as_str().unwrap()).collect::<Vec<_>>(), ["fail", "error"]);
    }

    #[test]
    fn what_is_accepted_is_skipped_and_the_rest_is_not() {
        let paths = [path("Blocked", "policy", "closed", &[("a.example", true), ("f.example", true)])];
        let excepted = json!([{"code": "BR-NET-001", "title": "t", "fingerprint": "x", "subject": SUBJECT,
            "endpoints": ["f.example:443"], "reason": "cut-over", "expires": "2026-12-31"}]);
        let value =
            written(&told(&[answer(&paths, &[finding("BR-NET-001", "closed", &["a.example:443"])], &excepted)]), 500);
        let found: Vec<_> =
            value["results"].as_array().unwrap().iter().map(|r| (&r["result"], &r["properties"]["expires"])).collect();
        assert_eq!(found, [(&json!("fail"), &Value::Null), (&json!("skip"), &json!("2026-12-31"))]);
        // The finding is gone where everything of it is accepted.
        let excepted = json!([{"code": "BR-NET-001", "title": "t", "fingerprint": "x", "subject": SUBJECT,
            "endpoints": ["a.example:443", "f.example:443"], "reason": "cut-over"}]);
        let value = written(&told(&[answer(&paths, &[], &excepted)]), 500);
        assert_eq!(value["summary"]["skip"], 2, "{value:#}");
        assert_eq!(value["results"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn what_is_too_much_is_counted_and_passes_go_first() {
        let hosts: Vec<String> = (0..600).map(|n| format!("h{n}.example")).collect();
        let endpoints: Vec<(&str, bool)> = hosts.iter().map(|host| (host.as_str(), true)).collect();
        let paths = [
            path("Reachable", "policy", "open", &endpoints),
            path("Blocked", "policy", "closed", &[("a.example", true)]),
        ];
        let told = told(&[answer(&paths, &[], &json!([]))]);
        let value = written(&told, 500);
        assert_eq!(value["results"].as_array().unwrap().len(), 500);
        assert_eq!(value["results"][0]["result"], "fail");
        assert_eq!(value["metadata"]["annotations"]["buildreach.dev/omitted-results"], "101");
        assert_eq!(value["summary"]["pass"], 600);
        assert!(serde_json::to_vec(&value).unwrap().len() < MOST_BYTES);
        let value = written(&told, 3);
        assert_eq!(value["metadata"]["annotations"]["buildreach.dev/omitted-results"], "598");
    }

    #[test]
    fn a_report_that_would_be_too_large_is_cut_before_it_is_sent() {
        let long = "w".repeat(590);
        let hosts: Vec<String> = (0..500).map(|n| format!("{}{n}.example", "h".repeat(900))).collect();
        let endpoints: Vec<(&str, bool)> = hosts.iter().map(|host| (host.as_str(), true)).collect();
        let told = told(&[answer(&[path("Blocked", "policy", &long, &endpoints)], &[], &json!([]))]);
        let value = written(&told, 500);
        assert!(serde_json::to_vec(&value).unwrap().len() <= MOST_BYTES);
        assert_eq!(value["results"].as_array().unwrap().len(), 250);
        assert_eq!(value["metadata"]["annotations"]["buildreach.dev/omitted-results"], "250");
    }

    #[test]
    fn names_are_short_and_tell_subjects_apart() {
        let of = |kind: &str, of: &str| {
            name(&Whom { namespace: "ci".into(), kind: kind.into(), name: of.into(), way: Way::Direct })
        };
        assert_eq!(of("Deployment", "web"), "buildreach-deployment-web");
        let (a, b) = (of("Job", &"a".repeat(80)), of("Job", &"a".repeat(81)));
        assert!(a != b && a.len() <= 63 && b.len() <= 63, "{a} {b}");
        assert_eq!(of("Job", &"a".repeat(80)), a);
        assert_ne!(of("Job", "a_b"), of("Job", "a:b"));
    }

    #[test]
    fn the_digest_is_that_of_what_is_said() {
        let of = |told: &Told| digest(told, &told.subjects[SUBJECT]);
        assert_eq!(of(&told(&[blocked()])), of(&told(&[blocked()])));
        let mut other = blocked();
        other.findings[1].message.push('!');
        assert_ne!(of(&told(&[blocked()])), of(&told(&[other])));
        assert_ne!(of(&told(&[blocked()])), of(&told(&[blocked(), blocked()])));
    }
}
