use super::*;
use log_engine::io::MemStorage;
use std::sync::atomic::{AtomicUsize, Ordering};

const DIR: &str = "/data";
const CLUSTER: Uuid = Uuid([1; 16]);

/// A broker's disk, and what is open on it.
struct Rig {
    storage: Arc<MemStorage>,
    store: Arc<LogStore>,
    mirror: Mirror,
}

fn config(zookeeper: &str) -> Arc<BrokerConfig> {
    let builder = BrokerConfig::builder().set("log.dirs", DIR).set("zookeeper.connect", zookeeper);
    Arc::new(builder.build().unwrap())
}

fn open(storage: &Arc<MemStorage>, cluster: Uuid) -> (Arc<LogStore>, Result<Mirror, CatalogError>) {
    let as_dyn: Arc<dyn Storage> = Arc::<MemStorage>::clone(storage);
    let store = LogStore::builder([DIR]).storage(as_dyn).threads(1).open().unwrap();
    let config = config("zk:2181");
    let known = super::super::inspect_directories(&**storage, &config).unwrap();
    let mirror = Mirror::open(Arc::clone(&store), &**storage, config, known, cluster, "zk:2181");
    (store, mirror)
}

impl Rig {
    fn new() -> Self {
        Self::on(Arc::new(MemStorage::new()))
    }

    fn on(storage: Arc<MemStorage>) -> Self {
        let (store, mirror) = open(&storage, CLUSTER);
        Self { storage, store, mirror: mirror.unwrap() }
    }

    fn restart(self) -> Self {
        let Self { storage, store, mirror } = self;
        drop(mirror);
        store.close().unwrap();
        drop(store);
        Self::on(storage)
    }

    fn see(&self, name: &str, own: &[bool], overrides: &[(&str, &str)]) -> Arc<Topic> {
        self.mirror.adopt(vec![described(name, own, overrides)]).unwrap();
        self.mirror.catalog.topic(name).unwrap()
    }

    fn dirs(&self) -> Vec<String> {
        let all = self.store.logs().into_iter().map(|(name, _)| name.to_string());
        all.filter(|name| !name.starts_with("__corrente")).collect()
    }
}

fn name(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

fn described(topic: &str, own: &[bool], overrides: &[(&str, &str)]) -> Described {
    let overrides = overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Described { name: name(topic), own: own.to_vec(), overrides, id: None }
}

#[test]
fn a_topic_keeps_its_id_through_restarts_growth_and_new_settings() {
    let rig = Rig::new();
    let id = rig.see("t", &[true], &[]).id;
    let rig = rig.restart();
    assert!(rig.mirror.catalog.topics().is_empty(), "nothing is visible before ZooKeeper was read");
    assert_eq!(rig.mirror.forgotten(), [name("t")]);
    let topic = rig.see("t", &[true, true], &[("retention.ms", "7")]);
    assert_eq!((topic.id, topic.partition_count()), (id, 2));
    assert_eq!(rig.dirs(), ["t-0", "t-1"]);
    for partition in [0, 1] {
        assert_eq!(topic.partition(partition).unwrap().config().retention_ms, Some(7));
    }
    assert_eq!(rig.mirror.catalog.topic_by_id(&id).unwrap().partition_count(), 2);
    let again = rig.see("t", &[true, true], &[("retention.ms", "7")]);
    assert!(Arc::ptr_eq(&topic, &again), "nothing changed");
}

#[test]
fn partitions_of_others_have_no_log_until_they_are_ours() {
    let rig = Rig::new();
    let topic = rig.see("t", &[true, false], &[]);
    assert!(topic.partition(0).is_ok());
    assert_eq!(topic.partition(1).unwrap_err(), crate::metadata::NoLog::Offline);
    assert_eq!(rig.dirs(), ["t-0"]);
    let topic = rig.see("t", &[true, true], &[]);
    assert!(topic.partition(1).is_ok());
}

#[test]
fn a_hidden_topic_comes_back_as_it_was_and_a_removed_one_does_not() {
    let rig = Rig::new();
    let gone = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&gone);
    rig.mirror.catalog.on_delete(Box::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let id = rig.see("t", &[true], &[]).id;
    rig.mirror.hide(&name("t"));
    assert!(rig.mirror.catalog.topic("t").is_none());
    assert_eq!(rig.mirror.strays().iter().map(ToString::to_string).collect::<Vec<_>>(), ["t-0"]);
    assert_eq!(gone.load(Ordering::Relaxed), 0);
    assert_eq!(rig.see("t", &[true], &[]).id, id);
    rig.mirror.remove(&name("t")).unwrap();
    assert!(rig.dirs().is_empty() && rig.mirror.catalog.topic("t").is_none());
    assert_eq!(gone.load(Ordering::Relaxed), 1);
    let rig = rig.restart();
    assert!(rig.mirror.forgotten().is_empty());
    assert_ne!(rig.see("t", &[true], &[]).id, id);
}

#[test]
fn producer_ids_are_remembered() {
    let rig = Rig::new();
    assert_eq!(rig.mirror.next_producer_id(), 0);
    rig.mirror.note_producer_ids(3000).unwrap();
    assert_eq!(rig.restart().mirror.next_producer_id(), 3000);
}

#[test]
fn another_cluster_is_refused_with_both_ids() {
    let rig = Rig::new();
    let storage = Arc::clone(&rig.storage);
    rig.store.close().unwrap();
    drop(rig);
    let (_store, mirror) = open(&storage, Uuid([2; 16]));
    assert_eq!(
        mirror.err().unwrap().to_string(),
        "/data/meta.properties: these topics are of cluster AQEBAQEBAQEBAQEBAQEBAQ, but ZooKeeper at zk:2181 has cluster \
         AgICAgICAgICAgICAgICAg; set zookeeper.connect to the ZooKeeper and path of cluster AQEBAQEBAQEBAQEBAQEBAQ (a path of \
         its own is host:port/path), or log.dirs to a directory of cluster AgICAgICAgICAgICAgICAg or an empty one"
    );
}

#[test]
fn settings_that_do_not_go_together_are_left_out() {
    let settings =
        [("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "5"), ("retention.ms", "1"), ("x", "y")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let (valid, wrong) = valid_settings(settings);
    assert_eq!(valid.into_keys().collect::<Vec<_>>(), ["retention.ms"]);
    assert_eq!(wrong.len(), 2);
}
