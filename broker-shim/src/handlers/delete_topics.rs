//! DeleteTopics.

use super::{RequestContext, errors, topics};
use crate::broker::BrokerState;
use crate::metadata::{DeleteTopicError, Topic, Uuid};
use kafka_wire::ErrorCode;
use kafka_wire::messages::delete_topics_request::DeleteTopicState;
use kafka_wire::messages::delete_topics_response::DeletableTopicResult;
use kafka_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use std::collections::HashMap;
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
    let key = |topic: &DeleteTopicState| (topic.name.clone(), topic.topic_id.0);
    let mut count: HashMap<_, u32> = HashMap::new();
    for topic in &asked {
        *count.entry(key(topic)).or_default() += 1;
    }
    let mut responses = Vec::new();
    for topic in asked {
        // What is there twice is answered once, and not deleted.
        match count.remove(&key(&topic)) {
            None => {}
            Some(1) => responses.push(unless_unwaited(request.timeout_ms, delete(state, cx, topic))),
            Some(_) => responses.push(twice(topic)),
        }
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn twice(asked: DeleteTopicState) -> DeletableTopicResult {
    let what = if asked.name.is_some() { "name" } else { "id" };
    DeletableTopicResult {
        name: asked.name,
        topic_id: asked.topic_id,
        error_code: ErrorCode::InvalidRequest.into(),
        error_message: Some(format!("Duplicate topic {what}.")),
    }
}

/// As in Kafka: the topic is gone, but whoever does not wait is not told so.
fn unless_unwaited(timeout_ms: i32, result: DeletableTopicResult) -> DeletableTopicResult {
    if timeout_ms > 0 || result.error_code != i16::from(ErrorCode::None) {
        return result;
    }
    DeletableTopicResult { error_code: ErrorCode::RequestTimedOut.into(), ..result }
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
        let text = if by_id {
            "You may not specify both topic name and topic id."
        } else {
            "Neither topic name nor id were specified."
        };
        return result(asked.name, asked.topic_id, ErrorCode::InvalidRequest, Some(text.to_owned()));
    }
    let Some(topic) = find(state, &asked) else {
        let (code, text) = if by_id {
            (ErrorCode::UnknownTopicId, "This server does not host this topic ID.".to_owned())
        } else {
            (ErrorCode::UnknownTopicOrPartition, DeleteTopicError::Unknown.to_string())
        };
        return result(asked.name, asked.topic_id, code, Some(text));
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
        other => errors::of_delete(other),
    }
}
