//! Four-letter words: what an operator asks with `echo stat | nc host 2181`.
//!
//! | word | answer |
//! |---|---|
//! | ruok | `imok` |
//! | isro | `rw` |
//! | srvr, stat | version, latencies, counts; stat with the connections |
//! | mntr | the same for machines, a key and a value a line |
//! | conf, envi | settings, environment |
//! | cons, crst | connections; forgets their counts |
//! | dump | sessions and their ephemeral nodes |
//! | wchs, wchc, wchp | watches: how many, by session, by path |
//! | srst | forgets the server's counts |
//!
//! All are answered without a setting that change nothing and do not list every watch: not crst, srst, wchc, wchp.
//!
//! # Not here
//!
//! Telling a word from a frame (`server::connection`).

use crate::machine::{Connected, Machine, Traffic};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What is said of a word that is not allowed.
const REFUSED: &str = "is not executed because it is not in the whitelist.";
/// As clients read it: of which ZooKeeper these are the operations, then whose server it is.
const VERSION: &str = concat!("3.9.4-corrente-", env!("CARGO_PKG_VERSION"), ", built on log-engine");

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Word {
    Conf,
    Cons,
    Crst,
    Dump,
    Envi,
    Isro,
    Mntr,
    Ruok,
    Srst,
    Srvr,
    Stat,
    Wchc,
    Wchp,
    Wchs,
}

const NAMES: [(&str, Word); 14] = [
    ("conf", Word::Conf),
    ("cons", Word::Cons),
    ("crst", Word::Crst),
    ("dump", Word::Dump),
    ("envi", Word::Envi),
    ("isro", Word::Isro),
    ("mntr", Word::Mntr),
    ("ruok", Word::Ruok),
    ("srst", Word::Srst),
    ("srvr", Word::Srvr),
    ("stat", Word::Stat),
    ("wchc", Word::Wchc),
    ("wchp", Word::Wchp),
    ("wchs", Word::Wchs),
];

impl Word {
    /// The word that these first bytes of a connection are.
    pub(crate) fn parse(bytes: [u8; 4]) -> Option<Self> {
        NAMES.iter().find(|(name, _)| name.as_bytes() == bytes).map(|(_, word)| *word)
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, word)| *word == self).map_or("", |(name, _)| name)
    }
}

/// The words that are answered: `4lw.commands.whitelist`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Words(BTreeSet<Word>);

impl Default for Words {
    /// All that change nothing and do not list every watch.
    fn default() -> Self {
        let withheld = [Word::Crst, Word::Srst, Word::Wchc, Word::Wchp];
        Self(NAMES.iter().map(|(_, word)| *word).filter(|word| !withheld.contains(word)).collect())
    }
}

impl Words {
    /// Reads a list: `stat, ruok`, or `*`.
    ///
    /// # Errors
    ///
    /// The first that is no word.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Words of other servers that are common in lists.
        const ELSEWHERE: [&str; 5] = ["dirs", "hash", "gtmk", "stmk", "icfg"];
        let mut all = BTreeSet::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, word)) => {
                    all.insert(*word);
                }
                None if name == "*" => all.extend(NAMES.iter().map(|(_, word)| *word)),
                None if ELSEWHERE.contains(&name) => {}
                None => return Err(name.to_owned()),
            }
        }
        Ok(Self(all))
    }
}

/// What the server knows that the machine does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// Lines of `conf`: keys and values.
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) words: Words,
    /// Bytes of the logs of snapshots and of transactions.
    pub(crate) bytes: (u64, u64),
    /// Requests that wait.
    pub(crate) outstanding: usize,
}

/// The answer to a word.
pub(crate) fn answer(word: Word, machine: &mut Machine, about: &About) -> String {
    if !about.words.0.contains(&word) {
        return format!("{} {REFUSED}\n", word.name());
    }
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match word {
        Word::Ruok => write!(out, "imok"),
        Word::Isro => write!(out, "rw"),
        Word::Conf => conf(&mut out, about),
        Word::Envi => envi(&mut out),
        Word::Srvr => srvr(&mut out, machine, about),
        Word::Stat => stat(&mut out, machine, about),
        Word::Mntr => mntr(&mut out, machine, about),
        Word::Cons => cons(&mut out, machine),
        Word::Dump => dump(&mut out, machine),
        Word::Wchs => wchs(&mut out, machine),
        Word::Wchc => listed(&mut out, machine.watched_by_session()),
        Word::Wchp => listed(&mut out, machine.watchers_by_path()),
        Word::Crst => {
            machine.forget_connection_traffic();
            writeln!(out, "Connection stats reset.")
        }
        Word::Srst => {
            machine.forget_traffic();
            writeln!(out, "Server stats reset.")
        }
    };
    out
}

type Written = std::fmt::Result;

fn conf(out: &mut String, about: &About) -> Written {
    about.settings.iter().try_for_each(|(key, value)| writeln!(out, "{key}={value}"))
}

fn envi(out: &mut String) -> Written {
    writeln!(out, "Environment:")?;
    writeln!(out, "zookeeper.version={VERSION}")?;
    writeln!(out, "os.name={}", std::env::consts::OS)?;
    writeln!(out, "os.arch={}", std::env::consts::ARCH)
}

fn srvr(out: &mut String, machine: &Machine, about: &About) -> Written {
    writeln!(out, "Zookeeper version: {VERSION}")?;
    counts(out, machine, about)
}

fn stat(out: &mut String, machine: &Machine, about: &About) -> Written {
    writeln!(out, "Zookeeper version: {VERSION}")?;
    writeln!(out, "Clients:")?;
    for conn in machine.connected() {
        let Connected { peer, session, traffic, .. } = conn;
        let up = u8::from(session.is_some());
        writeln!(out, " /{peer}[{up}](queued=0,recved={},sent={})", traffic.received, traffic.sent)?;
    }
    writeln!(out)?;
    counts(out, machine, about)
}

fn counts(out: &mut String, machine: &Machine, about: &About) -> Written {
    let (total, state) = (machine.traffic(), machine.state());
    let latency = total.latency;
    let (min, max) = (latency.min.as_millis(), latency.max.as_millis());
    writeln!(out, "Latency min/avg/max: {min}/{:.1}/{max}", latency.average())?;
    writeln!(out, "Received: {}", total.received)?;
    writeln!(out, "Sent: {}", total.sent)?;
    writeln!(out, "Connections: {}", machine.connected().count())?;
    writeln!(out, "Outstanding: {}", about.outstanding)?;
    writeln!(out, "Zxid: {:#x}", state.zxid)?;
    writeln!(out, "Mode: standalone")?;
    writeln!(out, "Node count: {}", state.tree.len())
}

fn mntr(out: &mut String, machine: &Machine, about: &About) -> Written {
    let (total, state) = (machine.traffic(), machine.state());
    let (_, _, watches) = machine.watch_counts();
    let ephemerals: usize = state.tree.ephemerals().map(|(_, paths)| paths.len()).sum();
    writeln!(out, "zk_version\t{VERSION}")?;
    writeln!(out, "zk_server_state\tstandalone")?;
    writeln!(out, "zk_avg_latency\t{:.1}", total.latency.average())?;
    for (key, value) in [
        ("max_latency", u64::try_from(total.latency.max.as_millis()).unwrap_or(u64::MAX)),
        ("min_latency", u64::try_from(total.latency.min.as_millis()).unwrap_or(u64::MAX)),
        ("packets_received", total.received),
        ("packets_sent", total.sent),
        ("num_alive_connections", machine.connected().count() as u64),
        ("outstanding_requests", about.outstanding as u64),
        ("znode_count", state.tree.len() as u64),
        ("watch_count", watches as u64),
        ("ephemerals_count", ephemerals as u64),
        ("approximate_data_size", state.tree.bytes()),
        ("global_sessions", state.sessions.len() as u64),
        ("snapshot_log_bytes", about.bytes.0),
        ("transaction_log_bytes", about.bytes.1),
    ] {
        writeln!(out, "zk_{key}\t{value}")?;
    }
    Ok(())
}

fn cons(out: &mut String, machine: &Machine) -> Written {
    for Connected { peer, session, timeout, since, traffic } in machine.connected() {
        let Traffic { received, sent, last_op, last_xid, last_zxid, latency } = traffic;
        write!(out, " /{peer}[{}](queued=0,recved={received},sent={sent}", u8::from(session.is_some()))?;
        if let Some(session) = session {
            write!(out, ",sid={session:#x},lop={},est={since},to={timeout}", last_op.unwrap_or("NA"))?;
            write!(out, ",lcxid={last_xid:#x},lzxid={last_zxid:#x},lresp={}", machine.now())?;
            let ms = |d: std::time::Duration| d.as_millis();
            write!(out, ",llat={},minlat={}", ms(latency.last), ms(latency.min))?;
            write!(out, ",avglat={:.0},maxlat={}", latency.average(), ms(latency.max))?;
        }
        writeln!(out, ")")?;
    }
    writeln!(out)
}

fn dump(out: &mut String, machine: &Machine) -> Written {
    let mut by_timeout: BTreeMap<u128, Vec<i64>> = BTreeMap::new();
    for (session, timeout) in machine.session_timeouts() {
        by_timeout.entry(timeout.as_millis()).or_default().push(session);
    }
    let count: usize = by_timeout.values().map(Vec::len).sum();
    writeln!(out, "SessionTracker dump:\nSession Sets ({})/({count}):", by_timeout.len())?;
    for (timeout, mut sessions) in by_timeout {
        sessions.sort_unstable();
        writeln!(out, "{} with a timeout of {timeout}ms:", sessions.len())?;
        sessions.iter().try_for_each(|session| writeln!(out, "\t{session:#x}"))?;
    }
    let tree = &machine.state().tree;
    writeln!(out, "ephemeral nodes dump:\nSessions with Ephemerals ({}):", tree.ephemerals().count())?;
    for (session, paths) in tree.ephemerals() {
        writeln!(out, "{session:#x}:")?;
        paths.iter().try_for_each(|path| writeln!(out, "\t{path}"))?;
    }
    Ok(())
}

fn wchs(out: &mut String, machine: &Machine) -> Written {
    let (conns, paths, watches) = machine.watch_counts();
    writeln!(out, "{conns} connections watching {paths} paths")?;
    writeln!(out, "Total watches:{watches}")
}

fn listed(out: &mut String, all: BTreeMap<String, Vec<String>>) -> Written {
    for (head, rest) in all {
        writeln!(out, "{head}")?;
        rest.iter().try_for_each(|line| writeln!(out, "\t{line}"))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_lengths() {
        assert_eq!(Word::parse(*b"ruok"), Some(Word::Ruok));
        assert_eq!(Word::parse([0, 0, 0, 45]), None);
        assert_eq!(Word::parse(*b"GET "), None);
    }

    #[test]
    fn a_list_allows_what_it_names() {
        assert_eq!(Words::parse(" stat,ruok ").unwrap().0, [Word::Ruok, Word::Stat].into());
        assert_eq!(Words::parse("*").unwrap().0.len(), NAMES.len());
        assert_eq!(Words::parse("hash").unwrap().0.len(), 0, "a word that other servers have");
        assert_eq!(Words::parse("stat,nope"), Err("nope".to_owned()));
        assert!(!Words::default().0.contains(&Word::Wchc) && Words::default().0.contains(&Word::Mntr));
    }
}
