use super::*;
use log_engine::io::MemStorage;

const LOG: Option<Owner> = Some(Owner::Log);
const ID: Identity = Identity { cluster: Uuid([1; 16]), node: 4 };

fn dirs(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn put(storage: &MemStorage, path: &str, content: &str) {
    let path = Path::new(path);
    storage.create_dir_all(path.parent().unwrap()).unwrap();
    storage.open(path, OpenMode::Truncate).unwrap().write_all_at(&[content.as_bytes()], 0).unwrap();
}

/// A storage with one directory of ours.
fn claimed() -> MemStorage {
    let storage = MemStorage::new();
    storage.create_dir_all(&Path::new("/d").join(METADATA_LOG)).unwrap();
    claim(&storage, &dirs(&["/d"]), ID, Owner::Log).unwrap();
    storage
}

fn refusal(storage: &MemStorage) -> String {
    inspect(storage, &dirs(&["/d"]), None, LOG).unwrap_err().to_string()
}

#[test]
fn a_claimed_directory_is_known_again() {
    let storage = claimed();
    assert_eq!(inspect(&storage, &dirs(&["/d"]), None, LOG).unwrap(), Some(ID));
    assert_eq!(inspect(&storage, &dirs(&["/d"]), Some(4), LOG).unwrap(), Some(ID));
    let before = read_all(&storage, Path::new("/d/meta.properties")).unwrap();
    claim(&storage, &dirs(&["/d"]), Identity { node: 9, ..ID }, Owner::Log).unwrap();
    assert_eq!(read_all(&storage, Path::new("/d/meta.properties")).unwrap(), before);
}

#[test]
fn an_empty_or_missing_directory_is_new() {
    let storage = MemStorage::new();
    assert_eq!(inspect(&storage, &dirs(&["/d"]), Some(3), LOG).unwrap(), None);
    put(&storage, "/d/some-file-1", "");
    assert_eq!(inspect(&storage, &dirs(&["/d"]), None, LOG).unwrap(), None);
}

#[test]
fn a_directory_of_kafka_is_refused_untouched() {
    for content in ["#\n#\nversion=0\nbroker.id=0\n", "version=1\nnode.id=1\ncluster.id=x\ndirectory.id=y\n"]
    {
        let storage = MemStorage::new();
        put(&storage, "/d/meta.properties", content);
        assert_eq!(
            refusal(&storage),
            "/d: the data of an Apache Kafka broker is in there, and was not touched; set log.dirs to an empty folder"
        );
        assert_eq!(storage.list(Path::new("/d")).unwrap().len(), 1);
    }
}

#[test]
fn partitions_that_nobody_claims_are_refused() {
    let storage = MemStorage::new();
    storage.create_dir_all(Path::new("/d/my-topic-0")).unwrap();
    assert_eq!(
        refusal(&storage),
        "/d: holds partitions but no meta.properties, so it is not ours, and was not touched; restore the file from a \
         backup or set log.dirs to an empty folder"
    );
}

#[test]
fn a_first_start_that_was_cut_short_is_no_obstacle() {
    let storage = MemStorage::new();
    storage.create_dir_all(&Path::new("/d").join(METADATA_LOG)).unwrap();
    assert_eq!(inspect(&storage, &dirs(&["/d"]), None, LOG).unwrap(), None);
}

#[test]
fn a_lost_metadata_log_is_not_a_fresh_start() {
    let storage = claimed();
    storage.remove_dir_all(&Path::new("/d").join(METADATA_LOG)).unwrap();
    assert_eq!(
        refusal(&storage),
        "/d: meta.properties is there but __corrente_metadata-0 is not, so the topics are unknown; restore it from a \
         backup, or remove meta.properties to begin with no topics"
    );
}

#[test]
fn a_damaged_file_is_refused_with_the_key() {
    let good = "version=1\ncluster.id=AQEBAQEBAQEBAQEBAQEBAQ\nnode.id=4\ncorrente.metadata=log\n";
    let storage = claimed();
    put(&storage, "/d/meta.properties", good);
    assert_eq!(inspect(&storage, &dirs(&["/d"]), None, LOG).unwrap(), Some(ID));
    for (from, to, expected) in [
        (good, "", "corrente.metadata = : expected log or zookeeper"),
        ("=log", "=etcd", "corrente.metadata = etcd: expected log or zookeeper"),
        ("version=1", "version=2", "version = 2: expected 1"),
        ("AQEB", "AQE", "cluster.id = AQEAQEBAQEBAQEBAQEBAQ: expected 22 characters of URL-safe base64"),
        ("node.id=4", "node.id=-4", "node.id = -4: expected a whole number from 0 to 2147483647"),
    ] {
        let storage = claimed();
        storage.remove_file(Path::new("/d/meta.properties")).unwrap();
        put(&storage, "/d/meta.properties", &good.replacen(from, to, 1));
        assert_eq!(
            refusal(&storage),
            format!("/d/meta.properties: {expected}; restore the file from a backup")
        );
    }
}

#[test]
fn numbers_and_clusters_that_differ_are_refused() {
    let storage = claimed();
    assert_eq!(
        inspect(&storage, &dirs(&["/d"]), Some(5), LOG).unwrap_err().to_string(),
        "/d/meta.properties: node.id is 4, but the configuration says 5; these do not belong together: point log.dirs at the directory that does, or use an empty one"
    );
    storage.create_dir_all(Path::new("/e")).unwrap();
    claim(&storage, &dirs(&["/e"]), Identity { cluster: Uuid([2; 16]), node: 4 }, Owner::Log).unwrap();
    assert_eq!(
        inspect(&storage, &dirs(&["/d", "/e"]), None, LOG).unwrap_err().to_string(),
        "/e/meta.properties: cluster.id is AgICAgICAgICAgICAgICAg, but /d/meta.properties says AQEBAQEBAQEBAQEBAQEBAQ; \
         these do not belong together: point log.dirs at the directory that does, or use an empty one"
    );
}

#[test]
fn another_owner_of_the_topics_is_refused_with_the_command() {
    let storage = claimed();
    let refused = |storage: &MemStorage, owner| {
        inspect(storage, &dirs(&["/d"]), None, Some(owner)).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&storage, Owner::ZooKeeper),
        "/d/meta.properties: the topics are in the metadata log, but zookeeper.connect is set; remove it, or move the \
         topics with `corrente metadata convert --to zookeeper FILE.properties --apply` (without --apply it only says what \
         it would move)"
    );
    let before = String::from_utf8(read_all(&storage, Path::new("/d/meta.properties")).unwrap()).unwrap();
    hand_over(&storage, &dirs(&["/d"]), Owner::ZooKeeper).unwrap();
    let after = String::from_utf8(read_all(&storage, Path::new("/d/meta.properties")).unwrap()).unwrap();
    assert_eq!(after, before.replace("=log", "=zookeeper"));
    assert_eq!(inspect(&storage, &dirs(&["/d"]), None, Some(Owner::ZooKeeper)).unwrap(), Some(ID));
    assert_eq!(inspect(&storage, &dirs(&["/d"]), None, None).unwrap(), Some(ID));
    assert_eq!(
        refused(&storage, Owner::Log),
        "/d/meta.properties: the topics are in ZooKeeper, but zookeeper.connect is not set; set it, or move the topics \
         with `corrente metadata convert --to log --zookeeper HOST:PORT FILE.properties --apply` (without --apply it only \
         says what it would move)"
    );
}

#[test]
fn another_cluster_s_zookeeper_is_refused_with_what_to_do() {
    let error = other_cluster(&dirs(&["/d"]), "A".to_owned(), "z:2181", "B".to_owned());
    assert_eq!(
        error.to_string(),
        "/d/meta.properties: these topics are of cluster A, but ZooKeeper at z:2181 has cluster B; set zookeeper.connect to \
         the ZooKeeper and path of cluster A (a path of its own is host:port/path), or log.dirs to a directory of \
         cluster B or an empty one"
    );
}
