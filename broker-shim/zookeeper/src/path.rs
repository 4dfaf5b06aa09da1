//! Paths of nodes.
//!
//! # Invariants
//!
//! * A path that [`check`] accepts begins with `/`, has no empty, `.` or `..` part, no control and no private character,
//!   and does not end in `/` (but the root is `/`).

use crate::wire::code::Code;

/// The root, and the server's own nodes: they cannot be deleted.
pub(crate) const OWN: [&str; 4] = ["/", ZOOKEEPER, CONFIG, QUOTA];
pub(crate) const ZOOKEEPER: &str = "/zookeeper";
pub(crate) const CONFIG: &str = "/zookeeper/config";
pub(crate) const QUOTA: &str = "/zookeeper/quota";

/// Refuses what no node can be called.
pub(crate) fn check(path: &str) -> Result<(), Code> {
    let Some(rest) = path.strip_prefix('/') else { return Err(Code::BadArguments) };
    let bad_part = |part: &str| part.is_empty() || part == "." || part == "..";
    if (!rest.is_empty() && rest.split('/').any(bad_part)) || path.chars().any(is_refused) {
        return Err(Code::BadArguments);
    }
    Ok(())
}

/// Characters that Java's client refuses too: controls, private use, specials.
fn is_refused(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{d7ff}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
}

/// The parent of a path, and the name in it; `None` for the root, and for what has no `/`.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let (parent, name) = path.rsplit_once('/')?;
    if name.is_empty() && parent.is_empty() {
        return None;
    }
    Some((if parent.is_empty() { "/" } else { parent }, name))
}

/// The path itself, its parent, and so on up to the root.
pub(crate) fn upwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| split(path).map(|(parent, _)| parent))
}

/// Whether `path` lies below `prefix`.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    let rest = if prefix == "/" {
        path.strip_prefix('/')
    } else {
        path.strip_prefix(prefix).and_then(|r| r.strip_prefix('/'))
    };
    rest.is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_what_is_none() {
        for good in ["/", "/a", "/a/b.c", "/a/...", "/-", "/caf\u{e9}"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            "/a/",
            "//",
            "/a//b",
            "/a/./b",
            "/..",
            "/a\0",
            "/a\n",
            "/\u{85}",
            "/\u{e000}",
            "/\u{fff0}",
        ] {
            assert_eq!(check(bad), Err(Code::BadArguments), "{bad:?}");
        }
    }

    #[test]
    fn a_path_is_split_at_its_last_slash() {
        assert_eq!(split("/a/b"), Some(("/a", "b")));
        assert_eq!(split("/a"), Some(("/", "a")));
        assert_eq!(split("/"), None);
        assert_eq!(split("a"), None);
        assert_eq!(upwards("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
    }

    #[test]
    fn below_is_not_beside() {
        assert!(is_below("/a/b", "/a") && is_below("/a", "/"));
        assert!(!is_below("/ab", "/a") && !is_below("/a", "/a") && !is_below("/", "/"));
    }
}
