//! ApiVersions: what is served. The first question of most clients.

use super::{RequestContext, SERVED};
use crate::broker::BrokerState;
use crate::net::{CloseReason, Outcome, Part, Reply};
use kafka_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, api_versions_response::ApiVersion};
use kafka_wire::{ApiKey, ErrorCode, Segment, response_frame};

/// Answers a version that is served.
pub(super) fn handle(
    _: &BrokerState,
    cx: &RequestContext,
    request: &ApiVersionsRequest,
) -> ApiVersionsResponse {
    let named = |text: &str| cx.version < 3 || is_software_name(text);
    if !named(&request.client_software_name) || !named(&request.client_software_version) {
        return ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest.into(),
            ..ApiVersionsResponse::default()
        };
    }
    let api_keys = SERVED.iter().map(|api| row(api.key, api.min, api.max)).collect();
    ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() }
}

/// Answers a version that is too new: in the form of version 0, and with our own range, so that the client can ask
/// again. Nothing of the body is read.
pub(super) fn too_new(cx: &RequestContext) -> Outcome {
    let ours = SERVED.iter().filter(|api| api.key == ApiKey::ApiVersions);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.into(),
        api_keys: ours.map(|api| row(api.key, api.min, api.max)).collect(),
        ..ApiVersionsResponse::default()
    };
    let bytes = |segment| match segment {
        Segment::Bytes(bytes) => Some(Part::Bytes(bytes)),
        Segment::Gap { .. } => None,
    };
    match response_frame(0, cx.correlation_id, &response) {
        Ok(segments) => Outcome::Respond(Reply::new(segments.into_iter().filter_map(bytes).collect())),
        Err(e) => Outcome::Close(CloseReason::Request(e.to_string())),
    }
}

fn row(key: ApiKey, min_version: i16, max_version: i16) -> ApiVersion {
    ApiVersion { api_key: key.to_i16(), min_version, max_version }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_software_name(text: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_are_those_that_kafka_takes() {
        for good in ["a", "kafka-python", "librdkafka", "1.2.3", "a.-b"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", ".", "\u{e9}", "a_b"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
