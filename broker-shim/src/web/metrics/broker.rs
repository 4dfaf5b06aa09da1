//! Requests, connections, upkeep, data directories, ZooKeeper: families whose rows the code bounds.

use super::super::Running;
use super::text::{Kind, Page};
use crate::broker::BrokerState;
use crate::meter::Upkeep;
use kafka_wire::ErrorCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Adds the rows.
pub(super) fn add(page: &mut Page, running: &Running) {
    let state = &running.state;
    facts(page, state);
    requests(page, state);
    connections(page, running);
    upkeep(page, &state.meter.upkeep);
    directories(page, state);
    zookeeper(page, state);
}

fn facts(page: &mut Page, state: &BrokerState) {
    let id = state.catalog.broker_id().to_string();
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("broker_id", &id),
        ("cluster_id", state.catalog.cluster_id()),
    ];
    page.family(Kind::Gauge, "corrente_info", "Who this is; always 1.").row(&labels, 1);
}

fn requests(page: &mut Page, state: &BrokerState) {
    let mut family = page.family(Kind::Counter, "corrente_requests", "Requests, by API and version.");
    for api in state.meter.apis() {
        for (version, count) in api.requests() {
            family.row(&[("api", api.name()), ("version", &version.to_string())], count);
        }
    }
    let mut family = page.family(
        Kind::Counter,
        "corrente_request_errors",
        "Error codes in answers, one for each partition or group that has one.",
    );
    for api in state.meter.apis() {
        for (code, count) in api.errors() {
            let name = ErrorCode::from_i16(code).unwrap_or(ErrorCode::UnknownServerError).name();
            family.row(&[("api", api.name()), ("error", name)], count);
        }
    }
    let help = "From a request that is there as a whole to its answer, in seconds; a Fetch waits for data meanwhile, as long as it asks to.";
    let mut family = page.family(Kind::Histogram, "corrente_request_seconds", help);
    for api in state.meter.apis() {
        let times = api.times().read();
        if times.count > 0 {
            family.times(&[("api", api.name())], &times);
        }
    }
    let help = "What appending all batches of one Produce took, in seconds.";
    page.family(Kind::Histogram, "corrente_append_seconds", help).times(&[], &state.meter.appends.read());
    let help = "Syncs of a log that acks=all waited for, in seconds.";
    page.family(Kind::Histogram, "corrente_sync_seconds", help).times(&[], &state.commits.times.read());
}

fn connections(page: &mut Page, running: &Running) {
    let (traffic, counts) = (&running.traffic, &running.connections);
    let (received, sent) =
        (read(&traffic.bytes_in), read(&traffic.bytes_written) + read(&traffic.bytes_sent));
    page.counter("corrente_received_bytes", "Bytes that clients sent.", received);
    page.counter("corrente_sent_bytes", "Bytes that clients got.", sent);
    page.counter(
        "corrente_sendfile_bytes",
        "Bytes among them that went from the page cache to the socket by sendfile.",
        read(&traffic.bytes_sent),
    );
    page.gauge("corrente_connections", "Open connections.", counts.total());
    page.counter("corrente_connections_accepted", "Connections that were let in.", counts.accepted());
    page.counter(
        "corrente_connections_refused",
        "Connections beyond max.connections.per.ip.",
        counts.refused(),
    );
    let mut family =
        page.family(Kind::Counter, "corrente_connections_closed", "Connections that ended, by why.");
    for (reason, count) in counts.closed() {
        family.row(&[("reason", reason)], count);
    }
}

fn upkeep(page: &mut Page, upkeep: &Upkeep) {
    page.counter(
        "corrente_retention_segments",
        "Segments that retention deleted.",
        read(&upkeep.retention_segments),
    );
    page.counter("corrente_retention_bytes", "Bytes in them.", read(&upkeep.retention_bytes));
    page.counter(
        "corrente_compactions",
        "Compactions of a log that came to their end.",
        read(&upkeep.compactions),
    );
    page.counter(
        "corrente_compaction_bytes",
        "Bytes that compaction took away.",
        read(&upkeep.compaction_bytes),
    );
    page.counter("corrente_background_syncs", "Syncs of logs that nobody waited for.", read(&upkeep.syncs));
    page.counter(
        "corrente_maintenance_errors",
        "What went wrong in retention, compaction, background syncs and checkpoints; the log says what.",
        read(&upkeep.errors),
    );
    #[expect(clippy::cast_precision_loss, reason = "a time in seconds, for people")]
    let last = upkeep.last_round.load(Ordering::Relaxed) as f64 / 1000.0;
    page.gauge(
        "corrente_maintenance_last_round_seconds",
        "When the last round of them ended, in seconds since 1970; there is one a second.",
        last,
    );
}

fn directories(page: &mut Page, state: &BrokerState) {
    let dirs: Vec<_> = state
        .store
        .dirs()
        .into_iter()
        .map(|dir| (dir.display().to_string(), state.store.storage().space(&dir)))
        .collect();
    let known = || dirs.iter().filter_map(|(dir, space)| Some((dir, space.as_ref().ok()?)));
    let mut family = page.family(
        Kind::Gauge,
        "corrente_dir_free_bytes",
        "Room that is left on the file system of a data directory.",
    );
    known().for_each(|(dir, space)| family.row(&[("dir", dir)], space.available));
    let mut family = page.family(Kind::Gauge, "corrente_dir_size_bytes", "Size of that file system.");
    known().for_each(|(dir, space)| family.row(&[("dir", dir)], space.total));
    let help = "1 while a disk is full and its reserve given up: appends are refused.";
    page.gauge("corrente_disk_full", help, u8::from(state.store.is_on_reserve()));
}

fn zookeeper(page: &mut Page, state: &BrokerState) {
    let Some(link) = state.catalog.zookeeper() else { return };
    page.gauge(
        "corrente_zookeeper_connected",
        "1 while there is a session with ZooKeeper and a connection.",
        u8::from(link.is_connected),
    );
    page.counter(
        "corrente_zookeeper_losses",
        "How often the connection or the session was lost.",
        link.losses,
    );
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
