//! The keys of a `zookeeper.properties` that have an effect, for whoever lists them.
//!
//! # Not here
//!
//! Reading them (`config`).

/// A key that has an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub kind: &'static str,
    /// The value when nobody sets it; `None`: there is none.
    pub default: Option<&'static str>,
    /// One line of documentation.
    pub doc: &'static str,
}

const fn key(name: &'static str, kind: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Some(default), doc }
}

const fn unset(name: &'static str, kind: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: None, doc }
}

/// All of them.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    unset("dataDir", "folder", "Where transactions and snapshots are kept; relative to the file; must be set in a file."),
    key("clientPort", "int, 0 to 65535", "2181", "The port that clients connect to; 0 for one that the system chooses."),
    unset("clientPortAddress", "address", "The address to listen on; when unset, all interfaces, and without a file this machine only."),
    key("tickTime", "int, from 1", "3000", "The unit of time, ms: the defaults of the next two are made of it."),
    key("minSessionTimeout", "int, from 1", "-1", "The shortest session a client may ask for, ms; -1: two ticks."),
    key("maxSessionTimeout", "int, from 1", "-1", "The longest session a client may ask for, ms; -1: twenty ticks."),
    key("maxClientCnxns", "int, from 0", "60", "The most connections from one address; 0 for no limit."),
    key("maxCnxns", "int, from 0", "0", "The most connections; 0 for no limit."),
    key("4lw.commands.whitelist", "list", "ruok,stat,srvr,mntr,conf,envi,cons,dump,wchs,isro", "Four-letter words that are answered; * for all."),
    key("jute.maxbuffer", "int, from 1024", "1048575", "The largest request, bytes."),
    key("snapCount", "long, from 2", "100000", "Transactions between two snapshots."),
    key("znode.container.checkIntervalMs", "long, from 1", "60000", "How often empty containers and expired nodes are removed, ms."),
    unset("DigestAuthenticationProvider.superDigest", "user:hash", "An identity that may do everything, as super:hash."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use std::collections::BTreeMap;

    fn config(entries: &[(&str, &str)]) -> Config {
        let entries: BTreeMap<String, String> =
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Config::from_properties(&entries).unwrap()
    }

    #[test]
    fn every_key_is_read_and_its_default_is_what_is_in_force_without_it() {
        let dir = ("dataDir", "d");
        for key in KEYS.iter().filter(|key| key.name != dir.0) {
            let value = key.default.unwrap_or(match key.kind {
                "address" => "127.0.0.1",
                _ => "super:hash",
            });
            let set = config(&[dir, (key.name, value)]);
            assert!(set.warnings.is_empty(), "{}: {:?}", key.name, set.warnings);
            if key.default.is_some() {
                assert_eq!(format!("{set:?}"), format!("{:?}", config(&[dir])), "{}", key.name);
            }
        }
    }
}
