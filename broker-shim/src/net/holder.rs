//! Who has an address that is in use, where the system says so: on Linux, in `/proc`.
//!
//! ```text
//! /proc/net/tcp     sl  local_address rem_address   st ...                       uid timeout inode
//!                    0: 0100007F:2384 00000000:0000 0A 00000000:00000000 ...    1000       0 81203
//! /proc/4711/fd/9 -> socket:[81203]
//! ```
//!
//! An address is printed as words of 32 bits in the machine's order, the port as a number; state 0A is listening.
//! The inode leads to the process among those whose descriptors we may see: of another user's process only the user
//! is known.
//!
//! # Not here
//!
//! What to do about it: whoever wanted the address says that.

use crate::processes::{self, PROC, Process};
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

const LISTENING: &str = "0A";

/// Who has an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holder {
    process: Option<Process>,
    owner: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => write!(f, "process {} ({})", process.pid, process.command()),
            None => write!(f, "a process of the user with number {}", self.owner),
        }
    }
}

/// Who listens on an address, or on a wildcard that covers it; `None` where the system does not say.
#[must_use]
pub fn holder_of(address: SocketAddr) -> Option<Holder> {
    find(Path::new(PROC), address)
}

/// The end of the sentence "cannot listen on ...": who is in the way, and which key (`listeners`) would move us.
#[must_use]
pub fn in_use(address: SocketAddr, key: &str) -> String {
    match holder_of(address) {
        Some(holder) => format!(": in use by {holder}; stop it, or set {key} to another port"),
        None => format!(": in use by another process; stop it, or set {key} to another port"),
    }
}

fn find(proc: &Path, wanted: SocketAddr) -> Option<Holder> {
    let mut rows = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        let text = fs::read_to_string(proc.join(table)).unwrap_or_default();
        rows.extend(text.lines().skip(1).filter_map(Row::parse));
    }
    let row = rows.into_iter().filter_map(|row| Some((row.likeness(wanted)?, row))).min_by_key(|(n, _)| *n);
    let (_, row) = row?;
    let holds = |pid: &u32| holds(proc, *pid, row.inode);
    let process = processes::numbers(proc).into_iter().find(holds).and_then(|pid| Process::read(proc, pid));
    Some(Holder { process, owner: row.owner })
}

/// Whether one of the descriptors of a process is this socket.
fn holds(proc: &Path, pid: u32, inode: u64) -> bool {
    let socket = format!("socket:[{inode}]");
    let Ok(entries) = fs::read_dir(processes::folder(proc, pid).join("fd")) else { return false };
    entries
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target.as_os_str() == socket.as_str())
}

/// A socket of the system's table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Row {
    local: SocketAddr,
    listening: bool,
    owner: u32,
    inode: u64,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let (ip, port) = fields.next()?.split_once(':')?;
        let local = SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?);
        let listening = fields.nth(1)? == LISTENING;
        let owner = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Self { local, listening, owner, inode })
    }

    /// How sure it is that this socket is in the way, 0 the surest; `None` if it is not.
    fn likeness(&self, wanted: SocketAddr) -> Option<u8> {
        // A connection that ended has no socket any more, and inode 0.
        if self.local.port() != wanted.port() || self.inode == 0 {
            return None;
        }
        let (has, wants) = (self.local.ip().to_canonical(), wanted.ip().to_canonical());
        let wildcard = has.is_unspecified() || wants.is_unspecified();
        let rank = match (has == wants, wildcard && has.is_ipv4() == wants.is_ipv4()) {
            (true, _) => 0,
            (false, true) => 1,
            // An IPv6 wildcard may take IPv4 connections as well.
            (false, false) if wildcard => 2,
            (false, false) => return None,
        };
        Some(if self.listening { rank } else { rank + 3 })
    }
}

/// An address as the table prints it: words of 32 bits, each in the machine's order.
fn address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(n)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::testing::add;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

    fn row(local: &str, state: &str, uid: u32, inode: u64) -> String {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 0\n"
        )
    }

    /// A table in the order of this machine's bytes.
    fn proc(v4: &[String], v6: &[String]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("net")).unwrap();
        fs::write(dir.path().join("net/tcp"), format!("{HEAD}{}", v4.concat())).unwrap();
        fs::write(dir.path().join("net/tcp6"), format!("{HEAD}{}", v6.concat())).unwrap();
        dir
    }

    fn v4(ip: [u8; 4], port: u16) -> String {
        format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip))
    }

    fn shown(dir: &tempfile::TempDir, address: &str) -> Option<String> {
        find(dir.path(), address.parse().unwrap()).map(|holder| holder.to_string())
    }

    #[test]
    fn the_process_behind_the_socket_is_named() {
        let dir = proc(
            &[
                row(&v4([127, 0, 0, 1], 9092), LISTENING, 0, 77),
                row(&v4([127, 0, 0, 1], 9093), LISTENING, 0, 78),
            ],
            &[],
        );
        add(dir.path(), 41, 'S', &["java", "kafka.Kafka"], &[70, 77]);
        add(dir.path(), 42, 'S', &["corrente", "zookeeper"], &[78]);
        assert_eq!(shown(&dir, "127.0.0.1:9092").unwrap(), "process 41 (java kafka.Kafka)");
        assert_eq!(shown(&dir, "127.0.0.1:9093").unwrap(), "process 42 (corrente zookeeper)");
        assert_eq!(shown(&dir, "127.0.0.1:9094"), None);
        assert_eq!(shown(&dir, "127.0.0.2:9092"), None);
    }

    #[test]
    fn a_wildcard_is_in_the_way_of_every_address() {
        let wildcard = format!("{}:{:04X}", "0".repeat(32), 9092);
        let dir = proc(&[], &[row(&wildcard, LISTENING, 0, 77)]);
        add(dir.path(), 41, 'S', &["java"], &[77]);
        for address in ["127.0.0.1:9092", "0.0.0.0:9092", "[::1]:9092"] {
            assert_eq!(shown(&dir, address).unwrap(), "process 41 (java)");
        }
    }

    #[test]
    fn who_listens_goes_before_who_is_connected() {
        let local = v4([127, 0, 0, 1], 9092);
        let dir =
            proc(&[row(&local, "01", 0, 76), row(&local, LISTENING, 0, 77), row(&local, "06", 0, 0)], &[]);
        add(dir.path(), 40, 'S', &["client"], &[76]);
        add(dir.path(), 41, 'S', &["server"], &[77]);
        assert_eq!(shown(&dir, "127.0.0.1:9092").unwrap(), "process 41 (server)");
    }

    #[test]
    fn of_a_stranger_s_process_only_the_user_is_known() {
        let dir = proc(&[row(&v4([0, 0, 0, 0], 9092), LISTENING, 1000, 77)], &[]);
        assert_eq!(shown(&dir, "127.0.0.1:9092").unwrap(), "a process of the user with number 1000");
    }

    #[test]
    fn a_table_that_makes_no_sense_names_nobody() {
        let dir =
            proc(&["junk\n".to_owned(), "a: b:c d e\n".to_owned(), row("zz:9092", LISTENING, 0, 1)], &[]);
        assert_eq!(shown(&dir, "127.0.0.1:9092"), None);
        assert_eq!(find(Path::new("no such folder"), "127.0.0.1:9092".parse().unwrap()), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_real_socket_leads_to_this_process() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = holder_of(socket.local_addr().unwrap()).unwrap();
        let start = format!("process {} (", std::process::id());
        assert!(holder.to_string().starts_with(&start), "{holder}");
    }
}
