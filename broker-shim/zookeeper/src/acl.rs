//! Who may do what with a node.
//!
//! | scheme | id | who that is |
//! |---|---|---|
//! | world | `anyone` | everybody |
//! | ip | `10.0.0.7`, `10.0.0.0/8`, `fd00::/8` | a connection from there |
//! | digest | `user:base64(sha1(user:password))` | a connection that sent `auth digest user:password` |
//! | auth | (ignored) | in a request: replaced by each digest identity of the connection that sends it |
//!
//! # Invariants
//!
//! * What is kept in a node was checked: known schemes, well-formed ids, no `auth`, no entry twice, never empty.
//! * What `auth` is replaced by is bounded by [`MAX_EXPANDED`] bytes a request, and identities by [`MAX_IDENTITIES`] a
//!   connection.
//!
//! # Not here
//!
//! Which operation needs which permission (`machine`).

use crate::wire::code::Code;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

pub(crate) const READ: i32 = 1;
pub(crate) const WRITE: i32 = 2;
pub(crate) const CREATE: i32 = 4;
pub(crate) const DELETE: i32 = 8;
pub(crate) const ADMIN: i32 = 16;
const ALL: i32 = 31;

const WORLD: &str = "world";
const ANYONE: &str = "anyone";
const DIGEST: &str = "digest";
const IP: &str = "ip";
const AUTH: &str = "auth";
/// The scheme of whoever knows the password of `DigestAuthenticationProvider.superDigest`.
const SUPER: &str = "super";

/// Identities that one connection may have.
const MAX_IDENTITIES: usize = 64;
/// The longest identity.
const MAX_IDENTITY: usize = 4096;
/// Bytes that the `auth` entries of one request may become.
const MAX_EXPANDED: usize = 1 << 20;

/// One entry of an access list.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Acl {
    pub(crate) perms: i32,
    pub(crate) scheme: Box<str>,
    pub(crate) id: Box<str>,
}

/// An access list, shared by the nodes that have it from the same request.
pub(crate) type AclList = Arc<[Acl]>;

/// `world:anyone` with these permissions.
fn world(perms: i32) -> AclList {
    Arc::new([Acl { perms, scheme: WORLD.into(), id: ANYONE.into() }])
}

static OPEN: LazyLock<AclList> = LazyLock::new(|| world(ALL));

/// Everybody may do everything.
pub(crate) fn open() -> AclList {
    Arc::clone(&OPEN)
}

/// Everybody may read, nobody may write.
pub(crate) fn read_only() -> AclList {
    world(READ)
}

/// The list itself, or the one that most nodes share if it is equal.
pub(crate) fn shared(list: Vec<Acl>) -> AclList {
    if list[..] == OPEN[..] { open() } else { list.into() }
}

/// Who a connection is, beside everybody.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    ip: IpAddr,
    proven: Vec<(Box<str>, Box<str>)>,
}

impl Identities {
    pub(crate) fn of(ip: IpAddr) -> Self {
        Self { ip: ip.to_canonical(), proven: Vec::new() }
    }

    /// Takes what an auth request says. Any digest is believed: it opens only what was closed with it.
    pub(crate) fn add(&mut self, scheme: &str, data: &[u8], super_digest: Option<&str>) -> Result<(), Code> {
        match scheme {
            IP => Ok(()),
            DIGEST => {
                let text = std::str::from_utf8(data).map_err(|_| Code::AuthFailed)?;
                let id = digest(text);
                if id.len() > MAX_IDENTITY || self.proven.len() + 2 > MAX_IDENTITIES {
                    return Err(Code::AuthFailed);
                }
                if super_digest == Some(&*id) {
                    self.push(SUPER, String::new());
                }
                self.push(DIGEST, id);
                Ok(())
            }
            _ => Err(Code::AuthFailed),
        }
    }

    fn push(&mut self, scheme: &str, id: String) {
        let new = (scheme.into(), id.into_boxed_str());
        if !self.proven.contains(&new) {
            self.proven.push(new);
        }
    }

    /// Scheme and user name of each, as whoAmI answers.
    pub(crate) fn shown(&self) -> Vec<(&str, String)> {
        let name = |id: &str| id.split(':').next().unwrap_or_default().to_owned();
        let proven = self.proven.iter().map(|(scheme, id)| (&**scheme, name(id)));
        std::iter::once((IP, self.ip.to_string())).chain(proven).collect()
    }

    /// Whether one of the entries gives one of the permissions.
    pub(crate) fn may(&self, list: &[Acl], perms: i32) -> bool {
        let given = |entry: &Acl| entry.perms & perms != 0 && self.is(&entry.scheme, &entry.id);
        list.iter().any(given) || self.proven.iter().any(|(scheme, _)| &**scheme == SUPER)
    }

    fn is(&self, scheme: &str, id: &str) -> bool {
        match scheme {
            WORLD => id == ANYONE,
            IP => Net::parse(id).is_some_and(|net| net.holds(self.ip)),
            _ => self.proven.iter().any(|(s, i)| &**s == scheme && &**i == id),
        }
    }
}

/// Makes of the entries of a request what is kept in a node.
pub(crate) fn settle(asked: Vec<Acl>, who: &Identities, expanded: &mut usize) -> Result<AclList, Code> {
    let mut kept = Vec::with_capacity(asked.len());
    let mut seen = HashSet::new();
    let mut keep = |entry: Acl| {
        if seen.insert(entry.clone()) {
            kept.push(entry);
        }
    };
    for entry in asked {
        match &*entry.scheme {
            WORLD if &*entry.id == ANYONE => keep(entry),
            DIGEST if entry.id.split(':').count() == 2 => keep(entry),
            IP if Net::parse(&entry.id).is_some() => keep(entry),
            AUTH => {
                let proven: Vec<_> = who.proven.iter().filter(|(scheme, _)| &**scheme == DIGEST).collect();
                if proven.is_empty() {
                    return Err(Code::InvalidAcl);
                }
                for (scheme, id) in proven {
                    *expanded += id.len() + scheme.len();
                    if *expanded > MAX_EXPANDED {
                        return Err(Code::InvalidAcl);
                    }
                    keep(Acl { perms: entry.perms, scheme: scheme.clone(), id: id.clone() });
                }
            }
            _ => return Err(Code::InvalidAcl),
        }
    }
    if kept.is_empty() { Err(Code::InvalidAcl) } else { Ok(shared(kept)) }
}

/// The list as one who may not administrate sees it: the hashes of passwords are left out.
pub(crate) fn masked(list: &[Acl]) -> Vec<Acl> {
    let mask = |entry: &Acl| match entry.id.split_once(':') {
        Some((user, _)) if &*entry.scheme == DIGEST => {
            Acl { id: format!("{user}:x").into(), ..entry.clone() }
        }
        _ => entry.clone(),
    };
    list.iter().map(mask).collect()
}

/// The identity of `user:password`.
fn digest(text: &str) -> String {
    let user = text.split(':').next().unwrap_or_default();
    format!("{user}:{}", STANDARD.encode(Sha1::digest(text.as_bytes())))
}

/// An address and how many of its bits count.
struct Net {
    address: IpAddr,
    bits: u8,
}

impl Net {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { address, bits })
    }

    fn holds(&self, other: IpAddr) -> bool {
        let same = |a: &[u8], b: &[u8]| {
            let (whole, rest) = (usize::from(self.bits / 8), self.bits % 8);
            let mask = !(0xff_u8.checked_shr(u32::from(rest)).unwrap_or(0));
            let part = |bytes: &[u8]| bytes.get(whole).copied().unwrap_or(0) & mask;
            a.get(..whole) == b.get(..whole) && part(a) == part(b)
        };
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(&a.octets(), &b.octets()),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(&a.octets(), &b.octets()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(perms: i32, scheme: &str, id: &str) -> Acl {
        Acl { perms, scheme: scheme.into(), id: id.into() }
    }

    fn local() -> Identities {
        Identities::of(IpAddr::from([127, 0, 0, 1]))
    }

    /// What `DigestAuthenticationProvider` of ZooKeeper makes of the example in its manual.
    #[test]
    fn a_digest_is_the_user_and_the_hash_of_user_and_password() {
        assert_eq!(digest("super:superpw"), "super:g9oN2HttPfn8MMWJZ2r45Np/LIA=");
    }

    #[test]
    fn auth_becomes_the_digests_of_the_connection() {
        let mut who = local();
        let asked = || vec![entry(31, "auth", "")];
        assert_eq!(settle(asked(), &who, &mut 0), Err(Code::InvalidAcl), "it has none yet");
        who.add("digest", b"u:p", None).unwrap();
        let list = settle(asked(), &who, &mut 0).unwrap();
        assert_eq!(list[..], [entry(31, "digest", &digest("u:p"))]);
        assert!(who.may(&list, READ) && !local().may(&list, ALL));
    }

    #[test]
    fn what_auth_becomes_is_bounded_over_the_whole_request() {
        let mut who = local();
        who.add("digest", b"u:p", None).unwrap();
        let mut expanded = MAX_EXPANDED - 10;
        assert_eq!(settle(vec![entry(31, "auth", "")], &who, &mut expanded), Err(Code::InvalidAcl));
        let last = (0..1000).map(|n| who.add("digest", format!("u{n}:p").as_bytes(), None)).last().unwrap();
        assert_eq!(last, Err(Code::AuthFailed));
    }

    #[test]
    fn lists_are_refused_if_an_entry_is_not_known_and_shortened_if_it_is_known_twice() {
        let who = local();
        for bad in [
            ("nope", "x"),
            ("world", "x"),
            ("digest", "u"),
            ("digest", "a:b:c"),
            ("ip", "1.2.3"),
            ("ip", "1.2.3.4/33"),
        ] {
            assert_eq!(settle(vec![entry(31, bad.0, bad.1)], &who, &mut 0), Err(Code::InvalidAcl), "{bad:?}");
        }
        assert_eq!(settle(vec![], &who, &mut 0), Err(Code::InvalidAcl));
        let twice = settle(vec![entry(31, "world", "anyone"); 2], &who, &mut 0).unwrap();
        assert!(Arc::ptr_eq(&twice, &open()));
    }

    #[test]
    fn addresses_match_by_their_leading_bits() {
        let from = |ip: [u8; 4]| Identities::of(IpAddr::from(ip));
        let list = |id: &str| [entry(READ, "ip", id)];
        assert!(from([10, 1, 2, 3]).may(&list("10.0.0.0/8"), READ));
        assert!(!from([11, 1, 2, 3]).may(&list("10.0.0.0/8"), READ));
        assert!(from([10, 1, 2, 131]).may(&list("10.1.2.128/25"), READ));
        assert!(!from([10, 1, 2, 3]).may(&list("10.1.2.128/25"), READ));
        assert!(
            from([10, 1, 2, 3]).may(&list("10.1.2.3"), READ)
                && !from([10, 1, 2, 4]).may(&list("10.1.2.3"), READ)
        );
        assert!(from([10, 1, 2, 3]).may(&list("0.0.0.0/0"), READ));
        assert!(!from([10, 1, 2, 3]).may(&list("10.0.0.0/8"), WRITE), "another permission");
        let mapped = Identities::of("::ffff:10.0.0.1".parse().unwrap());
        assert!(mapped.may(&list("10.0.0.1"), READ));
    }

    #[test]
    fn whoever_knows_the_super_password_may_everything() {
        let mut who = local();
        let hash = digest("super:pw");
        who.add("digest", b"super:pw", Some(&hash)).unwrap();
        assert!(who.may(&[entry(READ, "digest", "a:b")], DELETE));
        assert_eq!(who.shown()[0], ("ip", "127.0.0.1".to_owned()));
    }

    #[test]
    fn hashes_are_shown_to_administrators_only() {
        assert_eq!(masked(&[entry(1, "digest", "u:hash")]), [entry(1, "digest", "u:x")]);
    }
}
