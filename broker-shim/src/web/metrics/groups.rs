//! Groups, their members and how far they are behind, looked up when somebody asks.
//!
//! # Invariants
//!
//! * However many groups there are, [`MAX_GROUPS`] and [`MAX_LAGS`] bound the rows: those with the most members are told first.

use super::text::{Kind, Page};
use crate::broker::BrokerState;
use crate::coordinators::group::State;
use std::cmp::Reverse;

/// Groups with rows of their own.
pub(super) const MAX_GROUPS: usize = 500;
/// Committed offsets with rows of their own.
pub(super) const MAX_LAGS: usize = 2000;

/// What was left out.
pub(super) struct LeftOut {
    pub(super) groups: usize,
    pub(super) offsets: usize,
}

/// A committed offset and what lies behind it.
struct Place {
    group: String,
    topic: String,
    partition: String,
    offset: i64,
    /// None of a topic that is gone.
    lag: Option<i64>,
}

/// Adds the rows.
pub(super) fn add(page: &mut Page, state: &BrokerState) -> LeftOut {
    let mut groups = state.groups.list();
    let mut family = page.family(Kind::Gauge, "corrente_groups", "Groups, by their state.");
    for wanted in [State::Empty, State::Preparing, State::Completing, State::Stable] {
        let count = groups.iter().filter(|group| group.state == wanted).count();
        family.row(&[("state", wanted.name())], count);
    }
    let members: usize = groups.iter().map(|group| group.members).sum();
    page.gauge("corrente_members", "Members of all groups.", members);
    let all = groups.len();
    groups.sort_by_key(|group| Reverse(group.members));
    groups.truncate(MAX_GROUPS);
    let mut family = page.family(Kind::Gauge, "corrente_group_members", "Members of a group.");
    for group in &groups {
        family.row(&[("group", &group.group_id)], group.members);
    }
    let mut places = Vec::new();
    let mut offsets = 0;
    for group in &groups {
        let (count, told) = places_of(state, &group.group_id, MAX_LAGS - places.len());
        offsets += count;
        places.extend(told);
    }
    lags(page, &places);
    LeftOut { groups: all - groups.len(), offsets: offsets.saturating_sub(places.len()) }
}

/// How many offsets a group has committed, and those of them that there is room for.
fn places_of(state: &BrokerState, group: &str, room: usize) -> (usize, Vec<Place>) {
    // Not a lock of a topic under that of a group.
    let (count, committed) = state.groups.offsets(group, |offsets| {
        let told = offsets.iter().take(room);
        let told = told.map(|(topic, number, value)| (topic.to_owned(), number, value.offset));
        (offsets.iter().count(), told.collect::<Vec<_>>())
    });
    let place = |(topic, number, offset): (String, i32, i64)| {
        let found = state.catalog.topic(&topic);
        let end = found.and_then(|topic| Some(topic.partition(number).ok()?.end_offset().get()));
        let lag = end.map(|end| end.saturating_sub(offset).max(0));
        Place { group: group.to_owned(), topic, partition: number.to_string(), offset, lag }
    };
    (count, committed.into_iter().map(place).collect())
}

fn lags(page: &mut Page, places: &[Place]) {
    let mut each = |name, help, value: fn(&Place) -> Option<i64>| {
        let mut family = page.family(Kind::Gauge, name, help);
        for place in places {
            let Some(value) = value(place) else { continue };
            let labels = [("group", &*place.group), ("topic", &place.topic), ("partition", &place.partition)];
            family.row(&labels, value);
        }
    };
    each("corrente_group_offset", "The offset that a group committed.", |place| Some(place.offset));
    each("corrente_group_lag", "Records behind it: how far the group is behind the end.", |place| place.lag);
}
