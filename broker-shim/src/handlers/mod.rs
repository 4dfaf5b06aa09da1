//! TEMPORARY.
mod describe_groups;
mod find_coordinator;
mod group_common;
mod heartbeat;
mod join_group;
mod leave_group;
mod list_groups;
mod offset_commit;
mod offset_fetch;
mod sync_group;

#[cfg(test)]
mod group_tests;
