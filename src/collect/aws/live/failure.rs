//! What a call that failed says about its list.

use std::error::Error;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::model::CoverageState;
use crate::model::words::one_line;

/// Codes that say that the credentials are good and the action is not allowed.
const FORBIDDEN: &[&str] = &["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"];

/// The state of a list whose call failed.
pub(super) fn state<E>(error: &SdkError<E, HttpResponse>) -> CoverageState
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if error.code().is_some_and(|code| FORBIDDEN.contains(&code)) {
        return CoverageState::Forbidden;
    }
    CoverageState::Failed(why(error))
}

/// One line: the code of the service with its message, or what went wrong before there was one.
fn why<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error.code(), status) {
        (Some(code), _) => match error.message() {
            Some(message) => format!("{code}: {}", one_line(message)),
            None => code.to_owned(),
        },
        (None, Some(status)) if status >= 400 => format!("HTTP {status} without an error of the EC2 API"),
        _ => chain(error),
    }
}

/// What an error and its causes say.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let says = next.to_string();
        if !text.contains(&says) {
            text.push_str(": ");
            text.push_str(&says);
        }
        cause = next.source();
    }
    one_line(&text)
}
