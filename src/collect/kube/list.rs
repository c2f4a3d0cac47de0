//! Reading one list page by page.

use std::time::Duration;

use http::Request;

use super::connect::{Connection, describe};
use super::kinds::Kind;

/// Why a list or an object was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    Forbidden,
    NotFound,
    /// The pages that were read belong to a state that the server no longer has.
    Expired,
    Failed(String),
}

impl From<kube::Error> for ReadError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => match status.code {
                403 => Self::Forbidden,
                404 => Self::NotFound,
                410 => Self::Expired,
                _ => Self::Failed(describe(&error)),
            },
            _ => Self::Failed(describe(&error)),
        }
    }
}

/// Reads a list, of one namespace where given, handing each page to `page` as it comes; it gives the
/// token of the next page. It sees the pages of one state of the server, in the server's order.
///
/// # Errors
///
/// [`ReadError::Expired`] where reading took longer than the server remembers: read it anew, from
/// nothing. What `page` says about a page that it cannot use.
pub(super) async fn pages(
    connection: &Connection,
    kind: &Kind,
    namespace: Option<&str>,
    page_size: u32,
    mut page: impl FnMut(&str) -> Result<Option<String>, String>,
) -> Result<(), ReadError> {
    let path = kind.path(namespace);
    let selector = kind.field_selector.map(|text| format!("&fieldSelector={}", encode(text))).unwrap_or_default();
    let mut token = String::new();
    loop {
        let following = if token.is_empty() { String::new() } else { format!("&continue={}", encode(&token)) };
        let text = get(connection, &format!("{path}?limit={page_size}{selector}{following}")).await?;
        if !text.contains("\"items\"") {
            return Err(ReadError::Failed("the server's answer is no list".to_owned()));
        }
        match page(&text).map_err(ReadError::Failed)? {
            Some(next) if next == token => {
                return Err(ReadError::Failed("the server repeats the same page without end".to_owned()));
            }
            Some(next) => token = next,
            None => return Ok(()),
        }
    }
}

/// The text of one object or page.
pub(super) async fn get(connection: &Connection, uri: &str) -> Result<String, ReadError> {
    let request = Request::get(uri).body(Vec::new()).map_err(|e| ReadError::Failed(e.to_string()))?;
    Ok(within(connection.timeout, connection.client.request_text(request)).await?)
}

/// Gives a request as long as `--request-timeout` says.
pub(super) async fn within<T>(
    timeout: Option<Duration>,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let Some(timeout) = timeout else { return request.await };
    match tokio::time::timeout(timeout, request).await {
        Ok(result) => result,
        Err(_) => Err(kube::Error::Service(format!("no answer within {} s", timeout.as_secs_f32()).into())),
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;

    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(encode("status.phase!=Succeeded,a b"), "status.phase%21%3DSucceeded%2Ca%20b");
    }
}
