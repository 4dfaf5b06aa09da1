//! Topics and settings that change: more partitions, other settings.
//!
//! ```text
//! partitions:  fact synced -> directories made -> visible       crash after the fact: made at start
//! settings:    fact synced -> in force                          crash after the fact: in force at start
//! ```

use super::{LogCatalog, check_free, make_logs, remove_logs};
use crate::config::{BrokerScope, ConfigChange};
use crate::metadata::catalog::{AlterConfigsError, Catalog, CreatePartitions, CreatePartitionsError, Topic};
use crate::metadata::live::apply_to_logs;
use crate::metadata::record::Fact;
use crate::metadata::{checks, engine};
use crate::trouble::Chain;
use log_engine::log::Log;
use std::sync::Arc;

impl LogCatalog {
    pub(super) fn grow(
        &self,
        request: &CreatePartitions,
        validate_only: bool,
    ) -> Result<(), CreatePartitionsError> {
        let journal = self.journal.lock();
        let topic = self.topic(&request.topic).ok_or(CreatePartitionsError::Unknown)?;
        let count = checks::check_growth(request, &topic, self.identity.node)?;
        let new = topic.partition_count()..count;
        check_free(&self.store, &topic.name, new.clone())?.map_err(CreatePartitionsError::Occupied)?;
        if validate_only {
            return Ok(());
        }
        let fact = fact_of(&topic, count);
        engine::append(&journal, &fact.key(), fact.encode().as_deref())?;
        let made =
            make_logs(&self.store, &self.live.get(), &topic.name, topic.id, new.clone(), &topic.overrides);
        let logs = made.inspect_err(|_| {
            self.take_back(&journal, &topic);
            remove_logs(&self.store, &topic.name, new);
        })?;
        let mut partitions = topic.partitions.clone();
        partitions.extend(logs.into_iter().map(Some));
        self.replace(&topic, |old| Topic { partitions, ..old });
        Ok(())
    }

    pub(super) fn alter_settings_of_topic(
        &self,
        name: &str,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        let journal = self.journal.lock();
        let topic = self.topic(name).ok_or_else(|| AlterConfigsError::Unknown(name.to_owned()))?;
        let config = self.live.get();
        let overrides = change.apply_to_topic(&topic.overrides, &config)?;
        if validate_only || overrides == topic.overrides {
            return Ok(());
        }
        let changed = Topic { overrides, ..copy(&topic) };
        let fact = fact_of(&changed, changed.partition_count());
        // A shorter retention is a way out of a full disk.
        engine::append_to_make_room(&journal, &fact.key(), fact.encode().as_deref())?;
        let changed = self.replace(&topic, |_| changed);
        apply_to_logs(&changed, &config);
        Ok(())
    }

    pub(super) fn alter_settings_of_broker(
        &self,
        scope: BrokerScope,
        change: &ConfigChange,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        let journal = self.journal.lock();
        let next = self.live.plan(scope, change)?;
        if validate_only || self.live.is(&next) {
            return Ok(());
        }
        let fact = Fact::Settings { scope, settings: next.of(scope).clone() };
        engine::append_to_make_room(&journal, &fact.key(), fact.encode().as_deref())?;
        self.live.put(next, &self.topics());
        Ok(())
    }

    /// Shows a topic in its new form; the caller is the one writer.
    fn replace(&self, topic: &Topic, change: impl FnOnce(Topic) -> Topic) -> Arc<Topic> {
        let changed = Arc::new(change(copy(topic)));
        self.topics.write().insert(&changed);
        changed
    }

    /// Says again what is so. If this fails too, the next start makes the partitions.
    fn take_back(&self, journal: &Log, topic: &Topic) {
        let fact = fact_of(topic, topic.partition_count());
        if let Err(error) = engine::append_to_make_room(journal, &fact.key(), fact.encode().as_deref()) {
            tracing::error!(topic = %topic.name, error = %Chain(&error), "partitions that could not be added come back at the next start");
        }
    }
}

fn fact_of(topic: &Topic, partitions: i32) -> Fact {
    let (name, overrides) = (topic.name.clone(), topic.overrides.clone());
    Fact::Topic { id: topic.id, name, partitions, overrides }
}

fn copy(topic: &Topic) -> Topic {
    Topic {
        name: topic.name.clone(),
        id: topic.id,
        partitions: topic.partitions.clone(),
        overrides: topic.overrides.clone(),
        internal: topic.internal,
    }
}
