//! DescribeCluster: this broker, which is all of the cluster.

use super::RequestContext;
use super::metadata::ALL_CLUSTER_OPERATIONS;
use crate::broker::BrokerState;
use kafka_wire::ErrorCode;
use kafka_wire::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_wire::messages::{DescribeClusterRequest, DescribeClusterResponse};

/// The endpoints that clients talk to; 2 are controllers, of which there are none to talk to.
const BROKERS: i8 = 1;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return DescribeClusterResponse {
            error_code: ErrorCode::MismatchedEndpointType.into(),
            error_message: Some("The request was sent to an endpoint of the wrong type.".to_owned()),
            ..DescribeClusterResponse::default()
        };
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
