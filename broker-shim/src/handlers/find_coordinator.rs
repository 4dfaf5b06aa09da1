//! FindCoordinator: always this broker, at the address that the client dialled.
//!
//! A client that asks for the coordinator of a group is about to use it, so the offsets topic is made here if it is
//! not there. Transactional ids are answered too: what is not served is refused by the APIs that would follow.

use crate::coordinators::GroupCoordinator;
use kafka_wire::ErrorCode;
use kafka_wire::messages::find_coordinator_response::Coordinator;
use kafka_wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// From this version on, keys come as a list.
const BATCHED: i16 = 4;

/// Where this broker is, for this client.
#[derive(Clone, Debug)]
pub(super) struct Here {
    pub(super) node_id: i32,
    pub(super) host: String,
    pub(super) port: u16,
}

pub(super) async fn answer(
    groups: &GroupCoordinator,
    here: Here,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let verdict = match request.key_type {
        GROUP => groups.ensure_topic().await.map_err(|_| ErrorCode::CoordinatorNotAvailable),
        TRANSACTION => Ok(()),
        _ => Err(ErrorCode::InvalidRequest),
    };
    let keys = if version < BATCHED { vec![request.key] } else { request.coordinator_keys };
    let found = keys.into_iter().map(|key| match verdict {
        Ok(()) if request.key_type == GROUP && groups.is_offline(&key) => {
            refused(key, request.key_type, ErrorCode::CoordinatorNotAvailable)
        }
        Ok(()) => found(key, &here),
        Err(error) => refused(key, request.key_type, error),
    });
    let mut coordinators: Vec<Coordinator> = found.collect();
    if version >= BATCHED {
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let only = coordinators.pop().unwrap_or_default();
    FindCoordinatorResponse {
        error_code: only.error_code,
        error_message: only.error_message,
        node_id: only.node_id,
        host: only.host,
        port: only.port,
        ..FindCoordinatorResponse::default()
    }
}

fn found(key: String, here: &Here) -> Coordinator {
    Coordinator {
        key,
        node_id: here.node_id,
        host: here.host.clone(),
        port: here.port.into(),
        ..Coordinator::default()
    }
}

fn refused(key: String, key_type: i8, error: ErrorCode) -> Coordinator {
    let message = match error {
        ErrorCode::InvalidRequest => format!("Coordinators of type {key_type} are not known."),
        _ => "The coordinator is not available.".to_owned(),
    };
    Coordinator {
        key,
        node_id: -1,
        host: String::new(),
        port: -1,
        error_code: error.into(),
        error_message: Some(message),
    }
}
