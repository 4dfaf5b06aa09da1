use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn at(zxid: i64) -> Moment {
    Moment { zxid, time: zxid * 10 }
}

fn new(path: &str, kind: Kind) -> Change {
    Change::Create { path: path.into(), data: Some(Arc::from(&b"xy"[..])), acl: acl::open(), kind }
}

#[test]
fn a_fresh_root_shows_its_own_child_as_never_created() {
    let tree = Tree::new();
    let stat = tree.get("/").unwrap().stat();
    assert_eq!((stat.cversion, stat.num_children), (-1, 1));
}

#[test]
fn creations_and_deletions_count_in_the_parent() {
    let mut tree = Tree::new();
    tree.apply(&new("/p", Kind::Persistent), at(1)).unwrap();
    for n in 0..4 {
        tree.apply(&new(&format!("/p/{n}"), Kind::Persistent), at(2 + n)).unwrap();
    }
    tree.apply(&Change::Delete { path: "/p/0".into() }, at(9)).unwrap();
    let node = tree.get("/p").unwrap();
    assert_eq!((node.created, node.stat().cversion, node.stat().num_children, node.pzxid), (4, 5, 3, 9));
    assert_eq!(node.mzxid, 1, "that is about its own data");
}

#[test]
fn owners_are_shown_as_the_real_server_shows_them() {
    assert_eq!(Kind::Ephemeral(7).owner(), 7);
    assert_eq!(Kind::Container.owner(), i64::MIN);
    assert_eq!(Kind::Ttl(1000).owner().to_be_bytes(), [0xff, 0, 0, 0, 0, 0, 3, 0xe8]);
}

#[test]
fn a_change_for_another_tree_is_refused_and_changes_nothing() {
    let mut tree = Tree::new();
    tree.apply(&new("/a", Kind::Persistent), at(1)).unwrap();
    tree.apply(&new("/a/b", Kind::Persistent), at(2)).unwrap();
    let before = tree.clone();
    for change in [
        new("/a", Kind::Persistent),
        new("/none/x", Kind::Persistent),
        Change::Delete { path: "/a".into() },
        Change::Delete { path: "/".into() },
        Change::Delete { path: "/none".into() },
        Change::SetData { path: "/none".into(), data: None, version: 1 },
        Change::SetAcl { path: "/none".into(), acl: acl::open(), version: 1 },
    ] {
        assert!(tree.apply(&change, at(3)).is_err(), "{change:?}");
        assert!(tree == before, "{change:?}");
    }
}

fn change() -> impl Strategy<Value = Change> {
    let path = || prop::sample::select(vec!["/a", "/b", "/a/x", "/a/y", "/a/x/u"]);
    let kind = prop_oneof![
        Just(Kind::Persistent),
        (1..3_i64).prop_map(Kind::Ephemeral),
        Just(Kind::Container),
        Just(Kind::Ttl(5))
    ];
    let data = || prop::option::of(vec(any::<u8>(), 0..5).prop_map(|bytes| Arc::from(&bytes[..])));
    prop_oneof![
        4 => (path(), data(), kind).prop_map(|(path, data, kind)| Change::Create {
            path: path.into(),
            data,
            acl: acl::open(),
            kind
        }),
        2 => path().prop_map(|path| Change::Delete { path: path.into() }),
        2 => (path(), data(), 0..9_i32).prop_map(|(path, data, version)| Change::SetData {
            path: path.into(),
            data,
            version
        }),
        1 => (path(), 0..9_i32).prop_map(|(path, version)| Change::SetAcl {
            path: path.into(),
            acl: acl::read_only(),
            version
        }),
    ]
}

proptest! {
    /// Whatever was applied can be taken back, to the last counter.
    #[test]
    fn undoing_everything_gives_what_was_there(before in vec(change(), 0..20), changes in vec(change(), 0..20)) {
        let mut tree = Tree::new();
        for (n, change) in (1..).zip(&before) {
            let _ = tree.apply(change, at(n));
        }
        let kept = tree.clone();
        let undo: Vec<Undo> = changes.iter().filter_map(|change| tree.apply(change, at(100)).ok()).collect();
        for undo in undo.into_iter().rev() {
            tree.undo(undo);
        }
        prop_assert!(tree == kept);
    }
}
