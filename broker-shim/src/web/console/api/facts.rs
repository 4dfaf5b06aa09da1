//! The broker itself: who it is, where its data is, how it is set.

use super::topics::{entry, span};
use super::{Answer, Desk, Params, has, trouble};
use crate::config::{BindHost, Durability};
use serde_json::{Value, json};

/// The first page: facts, totals, what is wrong.
pub(in super::super) fn overview(desk: &Desk, _: &Params) -> Answer {
    let state = &desk.state;
    let topics = state.catalog.topics();
    let logs = || topics.iter().filter(|topic| !topic.internal).flat_map(|t| t.partitions.iter().flatten());
    let durability = match state.config.storage.durability {
        Durability::Sync => "an acks=all answer means: on the disk",
        Durability::PageCache => "an acks=all answer means: in the page cache",
    };
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "broker": state.catalog.broker_id(),
        "cluster": state.catalog.cluster_id(),
        "uptime_ms": desk.live.uptime_ms(),
        "now": state.clock.now().as_millis(),
        "writes": desk.writes,
        "topics": topics.iter().filter(|topic| !topic.internal).count(),
        "partitions": topics.iter().filter(|t| !t.internal).map(|t| t.partitions.len()).sum::<usize>(),
        "groups": state.groups.list().len(),
        "messages": logs().map(|log| span(log)).sum::<i64>(),
        "bytes": topics.iter().flat_map(|t| t.partitions.iter().flatten()).map(|l| l.size_bytes()).sum::<u64>(),
        "durability": durability,
        "listeners": listeners(desk),
        "directories": directories(desk),
        "zookeeper": state.config.zookeeper.as_ref().map(|zk| zk.connect.to_string()),
        "problems": trouble::all(state),
    }))
}

/// New points of the pictures, of the broker or of a topic, and how much is wrong.
pub(in super::super) fn live(desk: &Desk, params: &Params) -> Answer {
    let since = params.number("since")?.unwrap_or(0);
    let topic = match params.text("topic") {
        Some(_) => Some(desk.topic(params, "topic")?),
        None => None,
    };
    let problems = trouble::all(&desk.state);
    let of = |level: &str| problems.iter().filter(|line| line["level"] == level).count();
    Ok(json!({
        "now": desk.state.clock.now().as_millis(),
        "points": desk.live.points(topic.map(|topic| topic.id), since),
        "bad": of("bad"),
        "warn": of("warn"),
        "writes": desk.writes,
    }))
}

fn listeners(desk: &Desk) -> Vec<Value> {
    let config = &desk.state.config.listeners;
    let one = |listener: &crate::config::Listener| {
        let told = config.advertised.iter().find(|advertised| advertised.name == listener.name);
        let host = match &listener.host {
            BindHost::Loopback => "loopback",
            BindHost::Any => "all interfaces",
            BindHost::AnyV4 => "all interfaces, IPv4",
            BindHost::AnyV6 => "all interfaces, IPv6",
            BindHost::Host(host) => host,
        };
        json!({
            "name": listener.name, "host": host, "port": listener.port,
            "advertised": told.map(|told| format!("{}:{}", told.host, told.port)),
        })
    };
    config.bind.iter().map(one).collect()
}

fn directories(desk: &Desk) -> Vec<Value> {
    let store = &desk.state.store;
    let one = |dir: std::path::PathBuf| {
        let space = store.storage().space(&dir).ok();
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        json!({
            "path": dir.display().to_string(),
            "total": space.as_ref().map(|space| space.total),
            "available": space.as_ref().map(|space| space.available),
        })
    };
    store.dirs().into_iter().map(one).collect()
}

/// The broker's settings, those that were made first; a secret has no value.
pub(in super::super) fn settings(desk: &Desk, params: &Params) -> Answer {
    let needle = params.text("q").unwrap_or_default().to_ascii_lowercase();
    let mut entries = desk.state.catalog.config().entries();
    entries.retain(|entry| has(&entry.name, &needle));
    entries.sort_by_key(|entry| entry.source.code());
    Ok(json!({ "settings": entries.iter().map(entry).collect::<Vec<_>>() }))
}
