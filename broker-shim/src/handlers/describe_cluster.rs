//! DescribeCluster: this broker, which is all of the cluster.

use super::RequestContext;
use super::metadata::ALL_CLUSTER_OPERATIONS;
use crate::broker::BrokerState;
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};

/// The endpoints that clients talk to.
const BROKERS: i8 = 1;
/// Of these there are none to talk to.
const CONTROLLERS: i8 = 2;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let refused = |code: ErrorCode, text: String| DescribeClusterResponse {
        error_code: code.into(),
        error_message: Some(text),
        ..DescribeClusterResponse::default()
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let text = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type \
                        CONTROLLER";
            return refused(ErrorCode::MismatchedEndpointType, text.to_owned());
        }
        other => {
            return refused(ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}"));
        }
    }
    let (host, port) = state.advertised(&cx.connection);
    let broker = DescribeClusterBroker {
        broker_id: state.catalog.broker_id(),
        host,
        port: port.into(),
        rack: state.config.rack.clone(),
        is_fenced: false,
    };
    let operations =
        if request.include_cluster_authorized_operations { ALL_CLUSTER_OPERATIONS } else { i32::MIN };
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: state.catalog.cluster_id().to_owned(),
        controller_id: Some(state.catalog.broker_id()),
        brokers: vec![broker],
        cluster_authorized_operations: operations,
        ..DescribeClusterResponse::default()
    }
}
