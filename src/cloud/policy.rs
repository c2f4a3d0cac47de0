//! Policies of VPC endpoints, as far as what a build asks for can be told: they speak of requests, not of packets.

use serde::Deserialize;
use serde_json::Value;

/// Whether a policy lets the requests of a build pass.
///
/// # Errors
///
/// Why it does not, or may not, and whether that is certain.
pub fn check(document: &str, host: Option<&str>, service: &str) -> Result<(), (String, bool)> {
    if document.trim().is_empty() {
        // The API's default: everything is allowed.
        return Ok(());
    }
    let Ok(policy) = serde_json::from_str::<Policy>(document) else {
        return Err(("it cannot be read".to_owned(), false));
    };
    let statements = policy.statement.into_list();
    let wide = |s: &Statement| s.is("Allow") && s.is_unconditional() && s.covers_action("*") && s.covers_resource("*");
    let denies: Vec<&Statement> = statements.iter().filter(|s| s.is("Deny")).collect();
    if denies.is_empty() && statements.iter().any(wide) {
        return Ok(());
    }
    let Some(requests) = requests(host, service) else {
        return Err(("what is asked for through it is not known".to_owned(), false));
    };
    let refusals = requests.iter().filter_map(|(action, resource)| refusal(&statements, action, resource));
    // A definite refusal of one request is one of the whole, whatever may become of the others.
    refusals.max_by_key(|(_, sure)| *sure).map_or(Ok(()), Err)
}

/// Why a request is refused, or may be, and whether that is certain.
fn refusal(statements: &[Statement], action: &str, resource: &str) -> Option<(String, bool)> {
    let about = |s: &&Statement| s.covers_action(action) && s.covers_resource(resource);
    let denies: Vec<&Statement> = statements.iter().filter(|s| s.is("Deny")).filter(about).collect();
    if !denies.is_empty() {
        return Some((format!("{action} is denied"), denies.iter().any(|s| s.is_unconditional())));
    }
    let allows: Vec<&Statement> = statements.iter().filter(|s| s.is("Allow")).filter(about).collect();
    if allows.iter().any(|s| s.is_unconditional()) {
        None
    } else if allows.is_empty() {
        Some((format!("{action} is not allowed"), true))
    } else {
        Some((format!("{action} is allowed under conditions, or to some principals"), false))
    }
}

/// What a build asks of a service: actions with their resources (Amazon ECR user guide, "VPC endpoints").
fn requests(host: Option<&str>, service: &str) -> Option<Vec<(&'static str, String)>> {
    let region = service.split('.').nth(2)?;
    let of_service = |name: &str| service.strip_suffix(name).is_some();
    if of_service(".s3") {
        let host = host?;
        // The bucket stands before the service's own name.
        let (bucket, _) = host.split_once(".s3.").or_else(|| host.split_once(&format!(".s3-{region}.")))?;
        return Some(vec![("s3:GetObject", format!("arn:{}:s3:::{bucket}/x", partition(region)))]);
    }
    match service {
        _ if of_service(".ecr.api") => Some(vec![("ecr:GetAuthorizationToken", "*".to_owned())]),
        _ if of_service(".ecr.dkr") => {
            let account = host.and_then(|h| h.split('.').next()).unwrap_or("*");
            let repository = format!("arn:{}:ecr:{region}:{account}:repository/x", partition(region));
            Some(vec![("ecr:BatchGetImage", repository.clone()), ("ecr:GetDownloadUrlForLayer", repository)])
        }
        _ => None,
    }
}

/// The partition of a region (IAM user guide, "Amazon Resource Names").
fn partition(region: &str) -> &'static str {
    match region.split_once('-') {
        Some(("cn", _)) => "aws-cn",
        Some(("us", rest)) if rest.starts_with("gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: OneOrMany<Statement>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn into_list(self) -> Vec<T> {
        match self {
            Self::Many(list) => list,
            Self::One(one) => vec![one],
        }
    }

    fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(list) => list,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    principal: Option<Value>,
    not_principal: Option<Value>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    condition: Option<Value>,
}

impl Statement {
    fn is(&self, effect: &str) -> bool {
        self.effect == effect
    }

    /// It speaks of everybody, whatever the circumstances, and only in the affirmative.
    fn is_unconditional(&self) -> bool {
        let everybody = match &self.principal {
            None => true,
            Some(Value::String(text)) => text == "*",
            Some(Value::Object(map)) => map.get("AWS").is_some_and(|v| v == "*" || v == &Value::from(vec!["*"])),
            Some(_) => false,
        };
        everybody
            && self.not_principal.is_none()
            && self.not_action.is_none()
            && self.not_resource.is_none()
            && self.condition.as_ref().is_none_or(|c| c.as_object().is_some_and(serde_json::Map::is_empty))
    }

    fn covers_action(&self, action: &str) -> bool {
        self.not_action.is_some()
            || self.action.as_ref().is_some_and(|a| {
                a.as_slice().iter().any(|p| matches(&p.to_ascii_lowercase(), &action.to_ascii_lowercase()))
            })
    }

    fn covers_resource(&self, resource: &str) -> bool {
        self.not_resource.is_some()
            || self.resource.as_ref().is_some_and(|r| r.as_slice().iter().any(|p| matches(p, resource)))
    }
}

/// `*` and `?` of IAM.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) && pattern[p] != b'*' {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3: &str = "com.amazonaws.us-east-1.s3";
    const BUCKET: &str = "prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com";

    #[test]
    fn the_default_lets_everything_pass() {
        assert_eq!(check("", None, S3), Ok(()));
        let default = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
        assert_eq!(check(default, None, S3), Ok(()));
    }

    #[test]
    fn only_what_is_asked_for_counts() {
        let layers = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":["s3:Get*"],
            "Resource":"arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"}}"#;
        assert_eq!(check(layers, Some(BUCKET), S3), Ok(()));
        assert!(matches!(check(layers, Some("other.s3.us-east-1.amazonaws.com"), S3), Err((_, true))));
        assert!(matches!(check(layers, None, S3), Err((_, false))));
        let conditional = layers.replace("\"Principal\":\"*\"", "\"Principal\":{\"AWS\":\"123456789012\"}");
        assert!(matches!(check(&conditional, Some(BUCKET), S3), Err((_, false))));
    }

    #[test]
    fn a_deny_beats_an_allow() {
        let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},
            {"Effect":"Deny","Principal":"*","Action":"ecr:BatchGetImage","Resource":"*"}]}"#;
        let host = Some("123456789012.dkr.ecr.us-east-1.amazonaws.com");
        assert!(matches!(check(policy, host, "com.amazonaws.us-east-1.ecr.dkr"), Err((_, true))));
        assert_eq!(check(policy, Some("api.ecr.us-east-1.amazonaws.com"), "com.amazonaws.us-east-1.ecr.api"), Ok(()));
    }

    #[test]
    fn patterns() {
        assert!(matches("s3:Get*", "s3:GetObject") && matches("*", "") && matches("a?c*", "abcd"));
        assert!(!matches("s3:Put*", "s3:GetObject") && !matches("a", "ab"));
    }
}
