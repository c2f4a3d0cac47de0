//! Takes what somebody accepts out of the findings.

use crate::demand::pattern::glob;
use crate::model::exception::{Excepted, Exception};
use crate::model::{Finding, Hit, Str, codes};

use super::objects::finding;

/// Applies exceptions to findings with all their hits, at an instant: returns what they took out. An exception that has
/// expired, or that fits nothing, becomes a finding of its own, so that lists of them do not rot.
pub(super) fn apply(findings: &mut Vec<Finding>, exceptions: &[Exception], at: jiff::Timestamp) -> Vec<Excepted> {
    let mut taken = Vec::new();
    let mut remarks = Vec::new();
    for exception in exceptions {
        // Whoever reads exceptions refuses an `expires` that is no time; here it accepts nothing.
        let is_over = exception.ends().map_or(true, |end| end.is_some_and(|end| end <= at));
        let before = taken.len();
        let mut fits = false;
        findings.retain_mut(|found| {
            if found.code != exception.code {
                return true;
            }
            let mut left = found.clone();
            let parts = take(&mut left, exception);
            fits |= !parts.is_empty();
            if is_over || parts.is_empty() {
                return true;
            }
            taken.extend(parts);
            let is_empty = left.hits.is_empty();
            *found = left;
            !is_empty
        });
        let words = in_words(exception);
        if is_over && fits {
            let until = exception.expires.as_deref().unwrap_or_default();
            let message = format!("{words} was accepted until {until} ({}), and is there still", exception.reason);
            remarks.push(finding(&codes::EXC_EXPIRED, message, Vec::new()));
        } else if !fits && taken.len() == before {
            remarks.push(finding(
                &codes::EXC_UNUSED,
                format!("{words} is accepted, and there is no such thing"),
                Vec::new(),
            ));
        }
    }
    findings.extend(remarks);
    taken.sort();
    taken
}

/// Takes what an exception fits out of a finding.
fn take(found: &mut Finding, exception: &Exception) -> Vec<Excepted> {
    let one = |subject: Option<Str>, endpoints: Vec<Str>| Excepted {
        code: found.code.clone(),
        title: found.title.clone(),
        fingerprint: found.fingerprint.clone(),
        subject,
        endpoints,
        reason: exception.reason.clone(),
        expires: exception.expires.clone(),
    };
    if found.hits.is_empty() {
        let objects = || found.evidence.iter().map(|evidence| path_of(&evidence.object));
        let fits = exception.endpoint.is_none()
            && exception.subject.as_ref().is_none_or(|pattern| objects().any(|object| glob(pattern, &object)));
        return if fits { vec![one(None, Vec::new())] } else { Vec::new() };
    }
    let mut parts = Vec::new();
    let mut left = Vec::new();
    for hit in &found.hits {
        if exception.subject.as_ref().is_some_and(|pattern| !glob(pattern, &hit.subject)) {
            left.push(hit.clone());
            continue;
        }
        let Some(pattern) = &exception.endpoint else {
            parts.push(one(Some(hit.subject.clone()), hit.endpoints.clone()));
            continue;
        };
        let (out, kept): (Vec<Str>, Vec<Str>) = hit.endpoints.iter().cloned().partition(|label| fits(pattern, label));
        if out.is_empty() {
            left.push(hit.clone());
            continue;
        }
        parts.push(one(Some(hit.subject.clone()), out));
        if !kept.is_empty() {
            left.push(Hit { endpoints: kept, ..hit.clone() });
        }
    }
    found.hits = left;
    parts
}

/// Whether a pattern means an endpoint by its name, or by name and port.
fn fits(pattern: &str, label: &str) -> bool {
    let host = label.rsplit_once(':').map_or(label, |(host, _)| host);
    glob(pattern, label) || glob(pattern, host) || glob(pattern, host.trim_matches(['[', ']']))
}

/// `ns/Kind/name`, or `Kind/name` of what has no namespace.
fn path_of(object: &crate::model::ObjectRef) -> String {
    match &object.namespace {
        Some(namespace) => format!("{namespace}/{}/{}", object.kind, object.name),
        None => format!("{}/{}", object.kind, object.name),
    }
}

fn in_words(exception: &Exception) -> String {
    let mut words = exception.code.to_string();
    for (what, pattern) in [("of", &exception.subject), ("for", &exception.endpoint)] {
        if let Some(pattern) = pattern {
            words.push_str(&format!(" {what} {pattern}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(subject: &str, endpoints: &[&str]) -> Hit {
        Hit { subject: subject.into(), ecosystem: None, endpoints: endpoints.iter().map(|e| (*e).into()).collect() }
    }

    fn findings() -> Vec<Finding> {
        let hits = vec![
            hit("ci/Job/a", &["auth.docker.io:443", "proxy.golang.org:443"]),
            hit("ci/Job/b", &["auth.docker.io:443"]),
        ];
        vec![
            Finding { hits, ..finding(&codes::NET_BLOCKED, "closed".to_owned(), Vec::new()) },
            finding(&codes::COV_FORBIDDEN, "the credentials may not read X".to_owned(), Vec::new()),
        ]
    }

    fn exception(code: &str, subject: Option<&str>, endpoint: Option<&str>) -> Exception {
        Exception {
            code: code.into(),
            subject: subject.map(Into::into),
            endpoint: endpoint.map(Into::into),
            reason: "cut-over".to_owned(),
            expires: Some("2026-12-31".into()),
        }
    }

    fn applied(exception: Exception, at: &str) -> (Vec<Finding>, Vec<Excepted>) {
        let mut found = findings();
        let at = at.parse().unwrap_or_default();
        let taken = apply(&mut found, &[exception], at);
        (found, taken)
    }

    const NOW: &str = "2026-11-30T00:00:00Z";

    #[test]
    fn an_endpoint_is_taken_out_and_the_rest_stays() {
        let (found, taken) = applied(exception("BR-NET-001", Some("ci/Job/a"), Some("*.docker.io")), NOW);
        assert_eq!(
            found[0].hits,
            [hit("ci/Job/a", &["proxy.golang.org:443"]), hit("ci/Job/b", &["auth.docker.io:443"])]
        );
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].endpoints, [Str::from("auth.docker.io:443")]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_finding_that_hits_nobody_any_more_is_gone() {
        let (found, taken) = applied(exception("BR-NET-001", Some("ci/*"), None), NOW);
        assert_eq!(found.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["BR-COV-001"]);
        assert_eq!(taken.len(), 2);
        let (found, taken) = applied(exception("BR-COV-001", None, None), NOW);
        assert_eq!((found.len(), taken.len()), (1, 1));
    }

    #[test]
    fn an_exception_that_is_over_excepts_nothing_and_is_told() {
        let (found, taken) = applied(exception("BR-NET-001", None, None), "2027-01-01T00:00:00Z");
        assert_eq!((found[0].hits.len(), taken.len()), (2, 0));
        assert_eq!(found[2].code, "BR-EXC-001");
        let (_, taken) = applied(exception("BR-NET-001", None, None), "2026-12-31T23:59:59Z");
        assert_eq!(taken.len(), 2);
    }

    #[test]
    fn an_exception_that_fits_nothing_is_told() {
        for (code, subject, endpoint) in [
            ("BR-NET-001", Some("other/*"), None),
            ("BR-NET-001", None, Some("docker.io")),
            ("BR-DNS-001", None, None),
            ("BR-COV-001", None, Some("*")),
        ] {
            let (found, taken) = applied(exception(code, subject, endpoint), NOW);
            assert!(taken.is_empty());
            assert_eq!(found.last().map(|f| f.code.as_str()), Some("BR-EXC-002"), "{code} {subject:?} {endpoint:?}");
        }
    }
}
