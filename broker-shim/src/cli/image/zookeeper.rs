//! Settings of `corrente zookeeper` out of the variables of the known images.
//!
//! ```text
//! ZOO_TICK_TIME=2000  ZOO_4LW_COMMANDS_WHITELIST=*     ZOO_* and the key in capitals, parted anywhere
//! ZOOKEEPER_CLIENT_PORT=2182                           ZOOKEEPER_* likewise
//! ZOO_SERVERS=server.1=zk:2888:3888;2181               one server, whose client port is behind the semicolon
//! ZOO_CFG_EXTRA=maxCnxns=100 snapCount=1000            keys and values as in a file
//! ```
//!
//! Numbers of servers, logging and what a JVM is told have no effect and are not spoken of. A variable that is none of these
//! is named, with the nearest that is one.

use super::is_injected;
use crate::config::nearest;
use std::collections::BTreeMap;

/// Keys that a variable can set.
const KEYS: &[&str] = &[
    "4lw.commands.whitelist",
    "admin.enableServer",
    "autopurge.purgeInterval",
    "autopurge.snapRetainCount",
    "clientPort",
    "clientPortAddress",
    "dataDir",
    "dataLogDir",
    "initLimit",
    "jute.maxbuffer",
    "maxClientCnxns",
    "maxCnxns",
    "maxSessionTimeout",
    "minSessionTimeout",
    "preAllocSize",
    "quorumListenOnAllIPs",
    "reconfigEnabled",
    "snapCount",
    "standaloneEnabled",
    "syncLimit",
    "tickTime",
];
/// Other names of the images for such keys.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("ADMINSERVER_ENABLED", "admin.enableServer"),
    ("PORT_NUMBER", "clientPort"),
    ("PORT", "clientPort"),
    ("MAX_CNXNS", "maxCnxns"),
    ("DATA_LOG_DIR", "dataLogDir"),
    ("LISTEN_ALLIPS_ENABLED", "quorumListenOnAllIPs"),
];
/// What sets more than one key.
const OTHERS: &[&str] = &["SERVERS", "CFG_EXTRA"];
/// What a server of one node has no use for.
const SILENT: &[&str] = &[
    "MY_ID",
    "SERVER_ID",
    "CONF_DIR",
    "LOG_DIR",
    "LOG_LEVEL",
    "LOG4J_PROP",
    "LOG4J_ROOT_LOGLEVEL",
    "LOG4J_LOGGERS",
    "TOOLS_LOG4J_LOGLEVEL",
    "HEAP_SIZE",
    "HEAP_OPTS",
    "OPTS",
    "JMX_PORT",
    "JVM_FLAGS",
    "VERSION",
    "HOME",
    "GROUPS",
    "ENABLE_AUTH",
];

/// Keys with values, and what has no effect.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Entries {
    /// By key: the value, and the variable that says so.
    pub(in crate::cli) set: BTreeMap<String, (String, String)>,
    /// What whoever starts the server should know; one line each.
    pub(in crate::cli) warnings: Vec<String>,
}

/// What the variables say.
pub(in crate::cli) fn entries(variables: &BTreeMap<String, String>) -> Entries {
    let mut entries = Entries::default();
    // The names of the official image go before the other ones.
    for prefix in ["ZOOKEEPER_", "ZOO_"] {
        for (variable, value) in variables {
            if let Some(rest) = variable.strip_prefix(prefix) {
                entries.add(variable, rest, value);
            }
        }
    }
    entries
        .warnings
        .extend(variables.iter().filter_map(|(variable, value)| mistyped_prefix(variable, value)));
    entries
}

/// The note about a variable whose beginning is nearly that of ours and whose rest is known: `ZO_TICK_TIME`.
fn mistyped_prefix(variable: &str, value: &str) -> Option<String> {
    let (prefix, rest) = variable.split_once('_')?;
    let meant = if nearest(prefix, ["ZOOKEEPER"]).is_some() {
        "ZOOKEEPER"
    } else if prefix != "ZOO" && prefix.len() > 1 && prefix.chars().all(|c| "ZO".contains(c)) {
        "ZOO"
    } else {
        return None;
    };
    let known = key_of(rest).is_some() || OTHERS.contains(&rest) || SILENT.contains(&rest);
    (known && !value.trim().is_empty() && !is_injected(rest, value)).then(|| {
        let shown = crate::config::Escaped(variable);
        format!("environment variable {shown}: sets nothing; did you mean {meant}_{rest}?")
    })
}

impl Entries {
    /// The variable that sets a key; `server.N` stands for all servers.
    pub(in crate::cli) fn place_of(&self, key: &str) -> Option<&str> {
        let key = if key == "server.N" { "server.1" } else { key };
        self.set.get(key).map(|(_, variable)| variable.as_str())
    }

    fn add(&mut self, variable: &str, rest: &str, value: &str) {
        if value.trim().is_empty() || SILENT.contains(&rest) || is_injected(rest, value) {
            return;
        }
        match rest {
            "SERVERS" => self.servers(variable, value),
            "CFG_EXTRA" => self.extra(variable, value),
            _ => match key_of(rest) {
                Some(key) => self.put(key, value, variable),
                None => self.warnings.push(unknown(variable, rest)),
            },
        }
    }

    fn put(&mut self, key: &str, value: &str, variable: &str) {
        self.set.insert(key.to_owned(), (value.trim().to_owned(), variable.to_owned()));
    }

    /// `server.1=host:2888:3888;2181`, separated by blanks; the older form `host:2888:3888` by semicolons.
    fn servers(&mut self, variable: &str, value: &str) {
        let named = value.contains("server.");
        let servers: Vec<&str> =
            if named { value.split_whitespace().collect() } else { value.split(';').collect() };
        let servers = servers.into_iter().map(str::trim).filter(|server| !server.is_empty());
        for (n, server) in (1..).zip(servers) {
            if let Some((_, port)) = server.rsplit_once(';').filter(|_| named) {
                let port = port.rsplit(':').next().unwrap_or(port);
                self.put("clientPort", port, variable);
            }
            self.put(&format!("server.{n}"), server, variable);
        }
    }

    fn extra(&mut self, variable: &str, value: &str) {
        for pair in value.split_whitespace() {
            match pair.split_once('=') {
                Some((key, value)) => self.put(key, value, variable),
                None => self.warnings.push(format!(
                    "environment variable {variable}: {}: expected key=value, parted by blanks; ignored",
                    crate::config::Escaped(pair)
                )),
            }
        }
    }
}

fn key_of(rest: &str) -> Option<&'static str> {
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == rest).map(|(_, key)| *key);
    other.or_else(|| KEYS.iter().find(|key| bare(key) == bare(rest)).copied())
}

/// A name without what parts its words, and without capitals.
fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn unknown(variable: &str, rest: &str) -> String {
    let prefix = variable.strip_suffix(rest).unwrap_or_default();
    let keys = KEYS.iter().map(|key| (bare(key), format!("{prefix}{} ({key})", parted(key))));
    let names = OTHER_NAMES.iter().map(|(name, _)| name).chain(OTHERS).chain(SILENT);
    let known: Vec<(String, String)> =
        keys.chain(names.map(|name| (bare(name), format!("{prefix}{name}")))).collect();
    let found = nearest(&bare(rest), known.iter().map(|(bare, _)| bare.as_str()));
    let shown = found.and_then(|found| known.iter().find(|(bare, _)| bare == found));
    let meant = shown.map(|(_, shown)| format!("; did you mean {shown}?")).unwrap_or_default();
    format!("environment variable {}: unknown, ignored{meant}", crate::config::Escaped(variable))
}

/// A key as the images write it: `tickTime` is `TICK_TIME`.
fn parted(key: &str) -> String {
    let (mut name, mut last) = (String::new(), 'A');
    for c in key.chars() {
        if c.is_ascii_uppercase() && !last.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
        last = c;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::map;
    use super::*;
    use corrente_zookeeper::Config;

    fn set(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        entries(&map(variables)).set.into_iter().map(|(key, (value, _))| (key, value)).collect()
    }

    #[test]
    fn every_key_is_one_of_the_server_and_its_own_variable_sets_it() {
        for key in KEYS {
            assert_eq!(key_of(&parted(key)), Some(*key), "{}", parted(key));
            let value = if *key == "4lw.commands.whitelist" { "*" } else { "7000" };
            let file = map(&[("dataDir", "d"), ("maxSessionTimeout", "9000"), (key, value)]);
            let unknown = Config::from_properties(&file).map(|config| config.warnings.join(" "));
            assert!(!unknown.unwrap_or_default().contains("not known"), "{key}");
        }
        for (_, key) in OTHER_NAMES {
            assert!(KEYS.contains(key));
        }
    }

    #[test]
    fn variables_of_all_images_are_keys() {
        for (variable, value, key) in [
            ("ZOO_TICK_TIME", "2000", "tickTime"),
            ("ZOOKEEPER_TICK_TIME", "2000", "tickTime"),
            ("ZOO_4LW_COMMANDS_WHITELIST", "ruok,stat", "4lw.commands.whitelist"),
            ("ZOOKEEPER_CLIENT_PORT", "2182", "clientPort"),
            ("ZOO_PORT_NUMBER", "2182", "clientPort"),
            ("ZOO_MAX_CLIENT_CNXNS", "0", "maxClientCnxns"),
            ("ZOO_AUTOPURGE_PURGEINTERVAL", "1", "autopurge.purgeInterval"),
            ("ZOO_STANDALONE_ENABLED", "true", "standaloneEnabled"),
            ("ZOO_DATA_DIR", "/data", "dataDir"),
        ] {
            assert_eq!(set(&[(variable, value)]), [(key.to_owned(), value.to_owned())], "{variable}");
        }
        assert_eq!(set(&[("ZOO_CFG_EXTRA", "snapCount=9 maxCnxns=1")]).len(), 2);
        let both = [("ZOO_TICK_TIME", "1"), ("ZOOKEEPER_TICK_TIME", "2")];
        assert_eq!(set(&both), [("tickTime".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn one_server_is_ourselves_and_several_are_an_ensemble() {
        let one = entries(&map(&[("ZOO_MY_ID", "1"), ("ZOO_SERVERS", "server.1=zoo1:2888:3888;2182")]));
        assert_eq!(one.set["clientPort"].0, "2182");
        assert_eq!(one.set.len(), 2);
        let older = set(&[("ZOOKEEPER_SERVERS", "a:2888:3888;b:2888:3888")]);
        assert_eq!(older.len(), 2);
        let official = set(&[("ZOO_SERVERS", "server.1=a:2888:3888;2181 server.2=b:2888:3888;2181")]);
        assert_eq!(official.iter().filter(|(key, _)| key.starts_with("server.")).count(), 2);
    }

    #[test]
    fn a_mistyped_variable_is_named_and_an_injected_one_is_not() {
        assert_eq!(
            entries(&map(&[("ZOO_TIK_TIME", "1")])).warnings,
            ["environment variable ZOO_TIK_TIME: unknown, ignored; did you mean ZOO_TICK_TIME (tickTime)?"]
        );
        assert_eq!(
            entries(&map(&[("ZOOKEEPER_FROBNICATE", "1")])).warnings,
            ["environment variable ZOOKEEPER_FROBNICATE: unknown, ignored"]
        );
        assert_eq!(
            entries(&map(&[("ZOO_CFG_EXTR", "a=1")])).warnings,
            ["environment variable ZOO_CFG_EXTR: unknown, ignored; did you mean ZOO_CFG_EXTRA?"]
        );
        for (variable, meant) in [
            ("ZO_TICK_TIME", "ZOO_TICK_TIME"),
            ("OZO_SERVERS", "ZOO_SERVERS"),
            ("ZOOKEPER_TICK_TIME", "ZOOKEEPER_TICK_TIME"),
        ] {
            let note = format!("environment variable {variable}: sets nothing; did you mean {meant}?");
            assert_eq!(entries(&map(&[(variable, "1")])).warnings, [note]);
        }
        let others =
            [("ZK_TICK_TIME", "1"), ("ZOOM_PORT", "1"), ("ZOOKEEPERS_PORT", "tcp://a:1"), ("ZO_FOO", "1")];
        assert!(entries(&map(&others)).warnings.is_empty());
        assert_eq!(entries(&map(&[("ZOO_CFG_EXTRA", "x")])).warnings.len(), 1);
        let injected = entries(&map(&[
            ("ZOOKEEPER_PORT", "tcp://10.0.0.1:2181"),
            ("ZOOKEEPER_PORT_2181_TCP_ADDR", "10.0.0.1"),
            ("ZOOKEEPER_SERVICE_HOST", "10.0.0.1"),
            ("ZOOKEEPER_ENV_X", "y"),
            ("ZOOKEEPER_NAME", "/a/zookeeper"),
            ("ZOO_LOG4J_PROP", "INFO"),
            ("ZOO_TICK_TIME", ""),
        ]));
        assert!(injected.set.is_empty() && injected.warnings.is_empty(), "{injected:?}");
    }
}
