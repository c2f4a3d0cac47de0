//! The report as SARIF 2.1.0 (OASIS): a rule for each finding code, a result for each finding.
//!
//! A result stands where its evidence does: file and line where the facts come from files, and always the objects as
//! logical locations. A finding of which nobody can say where it stands (something was not read, no build was found) is
//! about the run, so it is a notification of the run: readers such as code scanning refuse results without a location.
//! All URIs are relative to where the audit was run, unless the sources were given as absolute paths.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::page::said;
use super::text::{as_u64, clean, counted, first};
use super::{json, summary};
use crate::model::codes::{self, Code};
use crate::model::report::AuditReport;
use crate::model::{Evidence, Finding, ObjectRef, Severity, Str};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a result's fingerprint is called, with the version of how it is made.
const FINGERPRINT: &str = "buildreachFinding/v1";

/// Codes that say that something gets through which should not, or that nobody verifies what comes back. Only these
/// have a `security-severity`: a build that cannot reach its registry is no vulnerability.
const SECURITY: [&Code; 10] = [
    &codes::ENF_NOT_ENFORCED,
    &codes::ENF_NO_ENGINE,
    &codes::NET_OVER_OPEN,
    &codes::OBJ_REJECTED,
    &codes::OBJ_NO_EFFECT,
    &codes::TLS_SWITCHED_OFF,
    &codes::TLS_NODE_NOT_VERIFIED,
    &codes::TLS_PRIVATE_KEY,
    &codes::TLS_INSECURE_REGISTRY,
    &codes::TLS_INSECURE_IGNORED,
];

/// Places of one result before the rest is only counted in its message.
const MOST_PLACES: usize = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<SarifResult<'a>>,
    properties: BTreeMap<&'static str, Value>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    id: &'a str,
    short_description: Message,
    full_description: Message,
    help: Message,
    default_configuration: Configuration,
    properties: BTreeMap<&'static str, Value>,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    level: &'static str,
    message: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    associated_rule: Option<RuleRef>,
}

#[derive(Serialize)]
struct RuleRef {
    id: String,
    index: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, &'a str>,
    properties: BTreeMap<&'static str, Value>,
}

#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<Physical>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<LocationMessage>,
}

#[derive(Clone, PartialEq, Serialize)]
struct LocationMessage {
    text: String,
}

#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Clone, PartialEq, Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

pub(super) fn audit(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let mut ids: Vec<&Str> = report.findings.iter().map(|finding| &finding.code).collect();
    ids.sort_unstable();
    ids.dedup();
    let places: BTreeMap<&str, &str> = report
        .results
        .iter()
        .flat_map(|class| &class.subjects)
        .filter_map(|subject| Some((subject.name.as_str(), subject.place.as_deref()?)))
        .collect();
    let is_live = report.cluster.is_some();
    let mut notifications = of_the_run(report);
    let mut results = Vec::new();
    for finding in &report.findings {
        let rule = ids.partition_point(|id| **id < finding.code);
        let locations = locations(finding, &places, is_live);
        if locations.is_empty() {
            let associated_rule = Some(RuleRef { id: finding.code.to_string(), index: rule });
            notifications.push(Notification {
                level: level(finding.severity),
                message: message(finding),
                associated_rule,
            });
        } else {
            results.push(result(finding, rule, locations, is_live));
        }
    }
    let mut about = BTreeMap::from([
        ("instant", json!(report.instant)),
        ("catalogue", json!(report.catalogue)),
        ("coverageComplete", json!(report.summary.coverage_complete)),
        ("subjects", json!(report.summary.subjects)),
        ("outcomes", json!(report.summary.outcomes)),
    ]);
    about.extend(report.cluster.as_ref().map(|cluster| ("cluster", json!(cluster))));
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "buildreach",
                    version: &report.version,
                    rules: ids.iter().map(|id| rule(id, report)).collect(),
                },
            },
            // There is a report, so the run came to its end; what it could not read is told beside it.
            invocations: [Invocation { execution_successful: true, tool_execution_notifications: notifications }],
            column_kind: "unicodeCodePoints",
            results,
            properties: about,
        }],
    };
    json::write(&log, out)
}

/// What was not read, not rendered or not assessed.
fn of_the_run(report: &AuditReport) -> Vec<Notification> {
    let told =
        |level, text: &str| Notification { level, message: Message { text: plain(text) }, associated_rule: None };
    let mut all: Vec<_> =
        summary::not_read(report).iter().map(|what| told("error", &format!("not read: {what}"))).collect();
    all.extend(summary::left_out(report).iter().map(|what| told("error", what)));
    all.extend(report.notes.iter().map(|note| told("note", note)));
    all.extend(summary::excepted(report).iter().map(|line| told("note", &format!("accepted: {line}"))));
    let layers = report.not_assessed.iter().map(|layer| format!("layer {} not assessed: {}", layer.layer, layer.why));
    all.extend(layers.map(|text| told("note", &text)));
    all
}

fn rule<'a>(id: &'a Str, report: &'a AuditReport) -> Rule<'a> {
    let known = codes::find(id);
    // A report of another version may hold a code that this one does not know.
    let of_report = report.findings.iter().find(|finding| finding.code == *id);
    let (title, summary, severity) = match (known, of_report) {
        (Some(code), _) => (code.title, code.summary, code.severity),
        (None, Some(finding)) => (finding.title.as_str(), finding.title.as_str(), finding.severity),
        (None, None) => ("", "", Severity::Info),
    };
    let problem = match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "recommendation",
    };
    let mut properties = BTreeMap::from([("problem.severity", json!(problem)), ("severity", json!(severity))]);
    let area = id.split('-').nth(1).unwrap_or_default().to_ascii_lowercase();
    let mut tags = vec!["kubernetes".to_owned(), "network".to_owned(), area];
    if let Some(score) = known.and_then(security_severity) {
        properties.insert("security-severity", json!(score));
        tags.push("security".to_owned());
    }
    properties.insert("tags", json!(tags));
    Rule {
        id,
        short_description: Message { text: plain(title) },
        full_description: Message { text: plain(summary) },
        help: Message {
            text: format!("{} (docs/codes/{id}.md says how to confirm and what usually fixes it)", plain(summary)),
        },
        default_configuration: Configuration { level: level(severity) },
        properties,
    }
}

/// A number from 0.1 to 10 as text, as code scanning reads it: over 9 critical, from 7 high, from 4 medium, else low.
fn security_severity(code: &Code) -> Option<&'static str> {
    if !SECURITY.contains(&code) {
        return None;
    }
    match code.severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.5"),
        Severity::Info => None,
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn result(finding: &Finding, rule_index: usize, locations: Vec<Location>, is_live: bool) -> SarifResult<'_> {
    let related = finding.near_misses.iter().take(MOST_PLACES).filter_map(|near| {
        let mut location = location(near, is_live)?;
        location.message = Some(LocationMessage { text: plain(&format!("near miss: {}", said(near))) });
        Some(location)
    });
    SarifResult {
        rule_id: &finding.code,
        rule_index,
        level: level(finding.severity),
        message: message(finding),
        locations,
        related_locations: related.collect(),
        partial_fingerprints: BTreeMap::from([(FINGERPRINT, finding.fingerprint.as_str())]),
        properties: BTreeMap::from([("severity", json!(finding.severity)), ("subjects", json!(hits(finding)))]),
    }
}

fn hits(finding: &Finding) -> u64 {
    let mut names: Vec<_> = finding.hits.iter().map(|hit| &hit.subject).collect();
    names.sort_unstable();
    names.dedup();
    as_u64(names.len()) + finding.more_hits
}

/// The answer first: readers show the first line in lists.
fn message(finding: &Finding) -> Message {
    let mut text = plain(&finding.title);
    if !finding.message.is_empty() && finding.message != finding.title {
        text.push_str(&format!(": {}", plain(&finding.message)));
    }
    if let Some(missing) = &finding.missing {
        text.push_str(&format!("\nMissing: {}", plain(missing)));
    }
    let mut names: Vec<_> = finding.hits.iter().map(|hit| plain(&hit.subject)).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        let all = counted(hits(finding), "subject", "subjects");
        let shown: Vec<_> = names.iter().take(5).map(String::as_str).collect();
        let more = if hits(finding) > 5 { " and others" } else { "" };
        text.push_str(&format!("\nHits {all}: {}{more}", shown.join(", ")));
    }
    if finding.evidence.len() > MOST_PLACES {
        let all: Vec<_> = finding.evidence.iter().map(|evidence| plain(&evidence.citation())).collect();
        text.push_str(&format!("\nDecided by {}", first(&all, MOST_PLACES)));
    }
    Message { text }
}

/// Where the evidence stands; where there is none, the subjects that it hits.
fn locations(finding: &Finding, places: &BTreeMap<&str, &str>, is_live: bool) -> Vec<Location> {
    let mut all: Vec<Location> = Vec::new();
    let mut add = |location: Location| {
        if all.len() < MOST_PLACES && !all.contains(&location) {
            all.push(location);
        }
    };
    finding.evidence.iter().filter_map(|evidence| location(evidence, is_live)).for_each(&mut add);
    if finding.evidence.is_empty() {
        for hit in &finding.hits {
            let name = plain(&hit.subject);
            let logical = Logical {
                name: name.rsplit('/').next().unwrap_or(&name).to_owned(),
                fully_qualified_name: name.clone(),
                kind: "resource",
            };
            let physical_location = places.get(hit.subject.as_str()).and_then(|place| {
                let (file, line) = place.rsplit_once(':')?;
                Some(physical(file, Some(line.parse().ok().filter(|line| *line > 0)?)))
            });
            add(Location { physical_location, logical_locations: vec![logical], message: None });
        }
    }
    // Readers show the first: one that stands in a file.
    all.sort_by_key(|location| location.physical_location.is_none());
    all
}

fn location(evidence: &Evidence, is_live: bool) -> Option<Location> {
    let line = evidence.line.filter(|line| *line > 0);
    // What was read from a server names the cluster where a file would stand, and has no line.
    let file = evidence.file.as_deref().filter(|_| !is_live || line.is_some());
    let physical_location = file.map(|file| physical(file, line));
    let logical = logical(&evidence.object, evidence.path.as_deref());
    if physical_location.is_none() && logical.is_none() {
        return None;
    }
    Some(Location { physical_location, logical_locations: logical.into_iter().collect(), message: None })
}

fn logical(object: &ObjectRef, path: Option<&str>) -> Option<Logical> {
    if object.name.is_empty() {
        return None;
    }
    let mut parts: Vec<&str> = object.namespace.iter().map(Str::as_str).collect();
    parts.extend([object.kind.as_str(), object.name.as_str()]);
    let mut full = parts.join("/");
    full.extend(path.map(|path| format!("/{path}")));
    Some(Logical { name: plain(&object.name), fully_qualified_name: plain(&full), kind: "resource" })
}

fn physical(file: &str, line: Option<u32>) -> Physical {
    let region = line.map(|start_line| Region { start_line });
    Physical { artifact_location: Artifact { uri: uri(file) }, region }
}

/// A path as a URI reference of RFC 3986: what a segment may not hold is encoded, and a colon with it, which in the first
/// segment would make a scheme.
fn uri(file: &str) -> String {
    let (prefix, path) = match file.strip_prefix('/') {
        Some(_) => ("file://", file),
        None => ("", file.trim_start_matches("./")),
    };
    let mut out = String::from(prefix);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Text of others in a message: nothing in it is an embedded link (SARIF 2.1.0, 3.11.6), and nothing a control.
fn plain(text: &str) -> String {
    clean(text).replace("](", "] (")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("demo/policies.yaml"), "demo/policies.yaml");
        assert_eq!(uri("./a b/c:d#e?.yaml"), "a%20b/c%3Ad%23e%3F.yaml");
        assert_eq!(uri("../x/größe.yaml"), "../x/gr%C3%B6%C3%9Fe.yaml");
        assert_eq!(uri("/srv/x.yaml"), "file:///srv/x.yaml");
    }

    #[test]
    fn text_of_others_is_no_link() {
        assert_eq!(plain("see [here](http://x) \u{1b}[0m"), "see [here] (http://x) \\u{1b}[0m");
    }
}
