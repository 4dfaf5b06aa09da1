//! DeleteTopics.

use super::{RequestContext, topics};
use crate::broker::BrokerState;
use crate::metadata::{DeleteTopicError, Topic, Uuid};
use kafka_wire::ErrorCode;
use kafka_wire::messages::delete_topics_request::DeleteTopicState;
use kafka_wire::messages::delete_topics_response::DeletableTopicResult;
use kafka_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use std::collections::HashSet;
use std::sync::Arc;

/// The first version that names topics by id as well.
const IDS_SINCE: i16 = 6;
/// The first version that knows TOPIC_DELETION_DISABLED.
const DISABLED_SINCE: i16 = 3;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = |name| DeleteTopicState { name: Some(name), topic_id: kafka_wire::Uuid::default() };
    let asked: Vec<DeleteTopicState> = if cx.version >= IDS_SINCE {
        request.topics
    } else {
        request.topic_names.into_iter().map(by_name).collect()
    };
    let mut seen = HashSet::new();
    let mut responses = Vec::new();
    for topic in asked {
        if seen.insert((topic.name.clone(), topic.topic_id.0)) {
            responses.push(delete(state, cx, topic));
        }
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn delete(state: &BrokerState, cx: &RequestContext, asked: DeleteTopicState) -> DeletableTopicResult {
    let by_id = Uuid(asked.topic_id.0) != Uuid::ZERO;
    let result = |name, id, code: ErrorCode, message: Option<String>| DeletableTopicResult {
        name,
        topic_id: id,
        error_code: code.into(),
        error_message: message,
    };
    if by_id == asked.name.is_some() {
        let text = "Exactly one of topic name and topic id must be given.".to_owned();
        return result(asked.name, asked.topic_id, ErrorCode::InvalidRequest, Some(text));
    }
    let Some(topic) = find(state, &asked) else {
        let code = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        return result(asked.name, asked.topic_id, code, Some(DeleteTopicError::Unknown.to_string()));
    };
    let name = Some(topic.name.to_string());
    match state.catalog.delete(topic.name.as_str()) {
        Ok(_) => result(name, topics::wire_id(topic.id), ErrorCode::None, None),
        Err(e) => result(name, topics::wire_id(topic.id), code(&e, cx.version), Some(e.to_string())),
    }
}

fn find(state: &BrokerState, asked: &DeleteTopicState) -> Option<Arc<Topic>> {
    match &asked.name {
        Some(name) => state.catalog.topic(name),
        None => state.catalog.topic_by_id(&Uuid(asked.topic_id.0)),
    }
}

fn code(error: &DeleteTopicError, version: i16) -> ErrorCode {
    match error {
        DeleteTopicError::Disabled if version < DISABLED_SINCE => ErrorCode::InvalidRequest,
        other => ErrorCode::from_i16(other.code()).unwrap_or(ErrorCode::UnknownServerError),
    }
}
