use super::*;
use crate::handlers::errors;
use log_engine::io::MemStorage;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

mod alter;

const DIR: &str = "/data";

/// A broker's disk, and what is open on it.
struct Rig {
    storage: Arc<MemStorage>,
    store: Arc<LogStore>,
    catalog: LogCatalog,
}

fn config(pairs: &[(&str, &str)]) -> Arc<BrokerConfig> {
    let builder = BrokerConfig::builder().set("log.dirs", DIR);
    let builder = pairs.iter().fold(builder, |b, (key, value)| b.set(*key, *value));
    Arc::new(builder.build().unwrap())
}

fn open_store(storage: &Arc<MemStorage>) -> Arc<LogStore> {
    let storage: Arc<dyn Storage> = Arc::<MemStorage>::clone(storage);
    LogStore::builder([DIR]).storage(storage).threads(1).open().unwrap()
}

/// Makes the directory of a log that no fact is about.
fn make_dir(store: &LogStore, name: &str) {
    store.create(&LogName::parse(name).unwrap(), &engine::journal_config()).unwrap();
}

fn try_open(
    storage: &Arc<MemStorage>,
    store: &Arc<LogStore>,
    pairs: &[(&str, &str)],
) -> Result<LogCatalog, CatalogError> {
    let config = config(pairs);
    let known = inspect_directories(&**storage, &config)?;
    LogCatalog::open(Arc::clone(store), &**storage, config, known)
}

impl Rig {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(pairs: &[(&str, &str)]) -> Self {
        let storage = Arc::new(MemStorage::new());
        let store = open_store(&storage);
        let catalog = try_open(&storage, &store, pairs).unwrap();
        Self { storage, store, catalog }
    }

    /// Stops and starts.
    fn restart(self, pairs: &[(&str, &str)]) -> Self {
        let Self { storage, store, catalog } = self;
        drop(catalog);
        store.close().unwrap();
        drop(store);
        let store = open_store(&storage);
        let catalog = try_open(&storage, &store, pairs).unwrap();
        Self { storage, store, catalog }
    }

    fn create(&self, name: &str, partitions: i32) -> Arc<Topic> {
        let request = CreateTopic { partitions: Some(partitions), ..CreateTopic::named(name) };
        self.catalog.create(&request).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.catalog.topics().iter().map(|t| t.name.to_string()).collect()
    }

    fn dirs(&self) -> Vec<String> {
        self.store.logs().iter().map(|(name, _)| name.to_string()).collect()
    }
}

#[test]
fn topics_ids_and_settings_outlive_a_restart() {
    let rig = Rig::new();
    let configs = vec![("retention.ms".to_owned(), Some("5".to_owned()))];
    let request = CreateTopic { partitions: Some(2), configs, ..CreateTopic::named("b") };
    let b = rig.catalog.create(&request).unwrap();
    rig.create("a", 1);
    let (cluster, id) = (rig.catalog.cluster_id().to_owned(), b.id);
    let rig = rig.restart(&[]);
    assert_eq!(rig.names(), ["a", "b"]);
    let again = rig.catalog.topic("b").unwrap();
    assert_eq!(again.id, id);
    assert_eq!(again.partition_count(), 2);
    assert_eq!(again.overrides.get("retention.ms").map(String::as_str), Some("5"));
    assert_eq!(rig.catalog.topic_by_id(&id).unwrap().name, again.name);
    assert_eq!(rig.catalog.cluster_id(), cluster);
    assert_eq!(cluster.len(), 22);
}

#[test]
fn the_metadata_log_is_no_topic() {
    let rig = Rig::new();
    assert!(rig.names().is_empty());
    assert!(rig.catalog.topic("__corrente_metadata").is_none());
    assert_eq!(rig.dirs(), [METADATA_LOG]);
}

#[test]
fn a_topic_is_there_once() {
    let rig = Rig::new();
    rig.create("t", 1);
    let again = rig.catalog.create(&CreateTopic::named("t")).unwrap_err();
    assert_eq!(
        (errors::of_create(&again).to_i16(), again.to_string().as_str()),
        (36, "Topic 't' already exists.")
    );
}

#[test]
fn validation_has_no_effect() {
    let rig = Rig::with(&[("num.partitions", "4")]);
    let plan = rig.catalog.validate(&CreateTopic::named("t")).unwrap();
    assert_eq!(plan.partitions, 4);
    assert!(rig.names().is_empty());
    assert_eq!(rig.dirs(), [METADATA_LOG]);
    rig.create("t", 1);
    assert_eq!(errors::of_create(&rig.catalog.validate(&CreateTopic::named("t")).unwrap_err()).to_i16(), 36);
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let rig = Rig::new();
    let first = rig.create("t", 2);
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    rig.catalog.on_delete(Box::new(move |topic| {
        assert_eq!(topic.name.as_str(), "t");
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    rig.catalog.delete("t").unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert!(rig.catalog.topic("t").is_none());
    assert!(rig.catalog.topic_by_id(&first.id).is_none());
    assert_eq!(rig.dirs(), [METADATA_LOG]);
    assert_eq!(errors::of_delete(&rig.catalog.delete("t").unwrap_err()).to_i16(), 3);
    let rig = rig.restart(&[]);
    assert!(rig.names().is_empty());
    assert_ne!(rig.create("t", 1).id, first.id);
    assert_eq!(rig.restart(&[]).names(), ["t"]);
}

#[test]
fn deletion_can_be_switched_off_and_spares_internal_topics() {
    let rig = Rig::with(&[("delete.topic.enable", "false")]);
    rig.create("t", 1);
    assert_eq!(errors::of_delete(&rig.catalog.delete("t").unwrap_err()).to_i16(), 73);
    let rig = Rig::new();
    rig.catalog.internal(InternalTopic::ConsumerOffsets).unwrap();
    let error = rig.catalog.delete("__consumer_offsets").unwrap_err();
    assert_eq!(
        (errors::of_delete(&error).to_i16(), error.to_string().as_str()),
        (42, "Deletion of internal topic __consumer_offsets is prohibited.")
    );
}

#[test]
fn the_offsets_topic_is_made_once_as_configured() {
    let rig = Rig::with(&[("offsets.topic.num.partitions", "5"), ("offsets.topic.segment.bytes", "1000")]);
    let topic = rig.catalog.internal(InternalTopic::ConsumerOffsets).unwrap();
    assert!(topic.internal);
    assert_eq!(topic.partition_count(), 5);
    let overrides: Vec<_> = topic.overrides.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(overrides, ["cleanup.policy=compact", "compression.type=producer", "segment.bytes=1000"]);
    assert_eq!(rig.catalog.internal(InternalTopic::ConsumerOffsets).unwrap().id, topic.id);
    // A later change of the number of partitions does not move the groups that are there.
    let rig = rig.restart(&[("offsets.topic.num.partitions", "9")]);
    assert_eq!(rig.catalog.internal(InternalTopic::ConsumerOffsets).unwrap().partition_count(), 5);
}

#[test]
fn a_directory_that_was_not_made_before_the_crash_is_made_at_start() {
    let rig = Rig::new();
    rig.create("t", 3);
    rig.store.delete(&LogName::parse("t-1").unwrap()).unwrap();
    let rig = rig.restart(&[]);
    assert!(rig.dirs().contains(&"t-1".to_owned()));
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 3);
}

#[test]
fn a_deletion_that_the_crash_cut_short_is_finished_at_start() {
    let rig = Rig::new();
    rig.create("t", 2);
    rig.catalog.delete("t").unwrap();
    make_dir(&rig.store, "t-1");
    assert_eq!(rig.restart(&[]).dirs(), [METADATA_LOG]);
}

#[test]
fn a_directory_that_nobody_knows_is_left_alone_and_not_built_upon() {
    let rig = Rig::new();
    make_dir(&rig.store, "stranger-0");
    let rig = rig.restart(&[]);
    assert!(rig.dirs().contains(&"stranger-0".to_owned()));
    assert!(rig.names().is_empty());
    let error = rig.catalog.create(&CreateTopic::named("stranger")).unwrap_err();
    assert_eq!(
        (errors::of_create(&error).to_i16(), error.to_string().as_str()),
        (56, "the directory stranger-0 is there already and belongs to no topic: move it away")
    );
    // More partitions than a topic has are strangers, too.
    rig.create("t", 1);
    make_dir(&rig.store, "t-1");
    let rig = rig.restart(&[]);
    assert!(rig.dirs().contains(&"t-1".to_owned()));
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 1);
}

#[test]
fn producer_ids_are_never_given_twice() {
    let rig = Rig::new();
    let ids: Vec<i64> = (0..ID_BLOCK + 2).map(|_| rig.catalog.next_producer_id().unwrap()).collect();
    assert_eq!(ids, (0..ID_BLOCK + 2).collect::<Vec<_>>());
    let rig = rig.restart(&[]);
    assert_eq!(rig.catalog.next_producer_id().unwrap(), 2 * ID_BLOCK);
    let rig = rig.restart(&[]);
    assert_eq!(rig.catalog.next_producer_id().unwrap(), 3 * ID_BLOCK);
}

#[test]
fn the_broker_s_number_stays() {
    let rig = Rig::with(&[("broker.id", "7")]);
    assert_eq!(rig.catalog.broker_id(), 7);
    let rig = rig.restart(&[]);
    assert_eq!(rig.catalog.broker_id(), 7);
    let error = try_open(&rig.storage, &rig.store, &[("broker.id", "8")]).err().unwrap().to_string();
    assert_eq!(
        error,
        "/data/meta.properties: node.id is 7, but the configuration says 8; these do not belong together: point log.dirs at the directory that does, or use an empty one"
    );
    assert_eq!(Rig::new().catalog.broker_id(), 0);
}

#[test]
fn a_lost_identity_file_is_written_again_from_the_log() {
    let rig = Rig::with(&[("broker.id", "7")]);
    let cluster = rig.catalog.cluster_id().to_owned();
    let file = Path::new(DIR).join("meta.properties");
    rig.storage.remove_file(&file).unwrap();
    let rig = rig.restart(&[]);
    assert_eq!((rig.catalog.cluster_id(), rig.catalog.broker_id()), (cluster.as_str(), 7));
    assert!(rig.storage.exists(&file).unwrap());
}

#[test]
fn a_record_that_is_none_of_ours_stops_the_start() {
    let rig = Rig::new();
    let journal = Arc::clone(&rig.catalog.journal.lock());
    engine::append(&journal, b"x", Some(&[9, 9])).unwrap();
    let error = try_open(&rig.storage, &rig.store, &[]).err().unwrap().to_string();
    assert_eq!(
        error,
        "__corrente_metadata-0: the record at offset 1 has version 9, and this release knows 1; \
         start the release that wrote it"
    );
}

/// A full disk while the directories are made: the fact is taken back, and the topic is not there after a start either.
#[test]
fn a_topic_whose_logs_cannot_be_made_is_taken_back() {
    let rig = Rig::new();
    // The metadata log has its blocks; the next directory gets none.
    rig.storage.set_capacity(0);
    let error = rig.catalog.create(&CreateTopic::named("t")).unwrap_err();
    assert_eq!(errors::of_create(&error).to_i16(), 56, "{error}");
    assert!(rig.names().is_empty());
    rig.storage.set_capacity(u64::MAX);
    let rig = rig.restart(&[]);
    assert!(rig.names().is_empty(), "{:?}", rig.names());
    rig.create("t", 1);
}

/// Tools of Kafka from 2.8 on look for the topic's id beside the log.
#[test]
fn partitions_are_labelled_with_the_topic_s_id() {
    let rig = Rig::new();
    let id = rig.create("t", 2).id;
    let path = Path::new(DIR).join("t-1/partition.metadata");
    let label = |rig: &Rig| {
        let file = rig.storage.open(&path, log_engine::io::OpenMode::Read).unwrap();
        let mut text = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut text, 0).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(label(&rig), format!("version: 0\ntopic_id: {id}"));
    // After an unclean stop it may be missing or empty.
    rig.storage.open(&path, log_engine::io::OpenMode::Truncate).unwrap();
    let Rig { storage, store, catalog } = rig;
    drop((store, catalog));
    let store = open_store(&storage);
    let catalog = try_open(&storage, &store, &[]).unwrap();
    assert_eq!(label(&Rig { storage, store, catalog }), format!("version: 0\ntopic_id: {id}"));
}

/// Topics that came and went, and blocks of ids: of each the last word stays, and a start that reads it knows the same.
#[test]
fn the_metadata_log_shrinks_and_says_the_same_after_a_restart() {
    let rig = Rig::new();
    let journal = Arc::clone(&rig.catalog.journal.lock());
    let small = LogConfig { segment_bytes: 500, ..engine::journal_config() };
    journal.set_config(small.clone()).unwrap();
    let kept = rig.create("kept", 2).id;
    for _ in 0..30 {
        rig.create("comes-and-goes", 1);
        rig.catalog.delete("comes-and-goes").unwrap();
    }
    let gone = rig.create("gone", 1);
    rig.catalog.delete("gone").unwrap();
    let ids = (0..3 * ID_BLOCK).map(|_| rig.catalog.next_producer_id().unwrap()).max().unwrap();
    let before = journal.size_bytes();
    let now = log_engine::types::Timestamp::from_millis(1_700_000_000_000).unwrap();
    assert_eq!(rig.store.maintain(now).compacted, 1);
    let after = journal.size_bytes();
    assert!(after * 4 < before, "{before} bytes to {after}");
    drop((gone, journal));
    let cluster = rig.catalog.cluster_id().to_owned();

    let rig = rig.restart(&[]);
    assert_eq!((rig.names(), rig.catalog.cluster_id()), (vec!["kept".to_owned()], cluster.as_str()));
    assert_eq!(rig.catalog.topic("kept").unwrap().id, kept);
    assert!(rig.catalog.next_producer_id().unwrap() > ids);
    // A directory whose removal failed is known to be of a topic that is gone, as long as its last word is there.
    make_dir(&rig.store, "gone-0");
    let rig = rig.restart(&[]);
    assert!(!rig.dirs().contains(&"gone-0".to_owned()), "{:?}", rig.dirs());
    assert_eq!(rig.create("comes-and-goes", 1).partition_count(), 1);
}
