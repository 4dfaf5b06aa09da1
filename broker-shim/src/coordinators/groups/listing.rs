//! What tools and consumers ask: which groups, who is in one, what is committed.

use super::GroupCoordinator;
use crate::coordinators::group::{GroupDescription, State};
use crate::coordinators::offsets::Offsets;

/// A line of a list of groups.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupListing {
    /// Its name.
    pub group_id: String,
    /// Empty for a group that has offsets only.
    pub protocol_type: String,
    /// Where it is in its round.
    pub state: State,
    /// How many are in it.
    pub members: usize,
}

impl GroupCoordinator {
    /// All groups, sorted by name.
    #[must_use]
    pub fn list(&self) -> Vec<GroupListing> {
        let names: Vec<String> = self.groups.read().keys().cloned().collect();
        let line = |name: String| {
            let listed = self.with_slot(&name, false, |slot, _| GroupListing {
                group_id: name.clone(),
                protocol_type: slot.group.protocol_type().unwrap_or_default().to_owned(),
                state: slot.group.state(),
                members: slot.group.member_count(),
            });
            listed.ok()
        };
        names.into_iter().filter_map(line).collect()
    }

    /// One group; none if there is no such group.
    #[must_use]
    pub fn describe(&self, group: &str) -> Option<GroupDescription> {
        self.with_slot(group, false, |slot, _| slot.group.describe()).ok()
    }

    /// Shows a group's offsets to `look`; those of an unknown group are none.
    pub fn offsets<T>(&self, group: &str, look: impl FnOnce(&Offsets) -> T) -> T {
        let slot = self.groups.read().get(group).cloned();
        match slot {
            Some(slot) => look(&slot.lock().offsets),
            None => look(&Offsets::default()),
        }
    }
}
