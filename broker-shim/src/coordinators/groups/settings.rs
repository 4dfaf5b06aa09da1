//! What the operator sets for the coordinator.

use crate::config::GroupConfig;
use crate::coordinators::group::GroupSettings;
use crate::coordinators::records::MAX_STRING;
use std::time::Duration;

/// Limits and times of the coordinator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CoordinatorSettings {
    /// What each group goes by.
    pub group: GroupSettings,
    /// `offset.metadata.max.bytes`.
    pub max_offset_metadata: usize,
    /// `offsets.retention.minutes`.
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check: Duration,
    /// `offsets.commit.timeout.ms`: how long a commit may wait for the disk.
    pub commit_timeout: Duration,
    /// A commit is answered when it survives a power cut; false with `log.durability=page-cache`.
    pub durable: bool,
    /// Groups, those with offsets only too.
    pub max_groups: usize,
    /// Bytes of all groups and offsets together; beyond it newcomers are refused.
    pub max_bytes: usize,
}

impl Default for CoordinatorSettings {
    fn default() -> Self {
        Self {
            group: GroupSettings::default(),
            max_offset_metadata: 4_096,
            retention: Duration::from_secs(10_080 * 60),
            retention_check: Duration::from_secs(600),
            commit_timeout: Duration::from_secs(5),
            durable: true,
            max_groups: 200_000,
            max_bytes: 256 << 20,
        }
    }
}

impl CoordinatorSettings {
    /// From the broker's settings.
    #[must_use]
    pub fn new(config: &GroupConfig, durable: bool) -> Self {
        Self {
            group: GroupSettings {
                initial_delay: config.initial_rebalance_delay,
                min_session: config.min_session_timeout,
                max_session: config.max_session_timeout,
                max_members: config.max_size.min(GroupSettings::MEMBERS_CAP),
                ..GroupSettings::default()
            },
            max_offset_metadata: config.offset_metadata_max_bytes.min(MAX_STRING),
            retention: config.offsets_retention,
            retention_check: config.offsets_retention_check_interval,
            commit_timeout: config.offsets_commit_timeout,
            durable,
            ..Self::default()
        }
    }
}
