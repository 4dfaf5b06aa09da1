//! Several hosts on one machine: each with a network, a hostname and an `/etc/hosts` of its own, all on one bridge.
//!
//! ```text
//!   zookeeper 10.77.0.11    kafka 10.77.0.12    client 10.77.0.13     eth0 of each
//!        |                       |                    |
//!        +-----------------------+--------------------+               a bridge in a namespace of its own
//! ```
//!
//! ```no_run
//! # use corrente_tests::hosts::Hosts;
//! let hosts = Hosts::new(&["kafka", "client"])?;
//! let mut command = hosts.host("client").command("getent");
//! assert!(command.args(["hosts", "kafka"]).status().expect("glibc has it").success());
//! # Ok::<(), corrente_tests::install::Missing>(())
//! ```
//!
//! # Invariants
//!
//! * Nothing is named in the machine's own network or mounted in its own tree: two runs at a time never meet, each
//!   has the same addresses, and the machine's `/etc/hosts` is never written.
//! * The namespaces live as long as a shell that holds them, and that shell as long as its standard input is open: it
//!   closes when [`Hosts`] is dropped, and also when the test is killed. The shell then kills what still runs in its
//!   network. So a killed run leaves nothing behind for the next one to meet.
//! * A [`Command`] of a host *becomes* the program (it does not fork): a signal to the child is a signal to it.
//!
//! # Not here
//!
//! What runs on the hosts. There is no way out of the bridge, and no name server.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::install::{self, Missing};
use crate::process;

/// For each step of making a network; far above what it takes.
const LIMIT: Duration = Duration::from_secs(60);
const HOLD: &str = include_str!("hosts/hold.sh");
const ROOT: &str = include_str!("hosts/root.sh");
const NETWORK: [u8; 3] = [10, 77, 0];
/// The last number of the first host's address.
const FIRST: u8 = 11;

/// Hosts on one bridge. Dropping it ends all that runs on them.
#[derive(Debug)]
pub struct Hosts {
    // Before the bridge: fields are dropped in this order.
    hosts: Vec<Host>,
    switch: Space,
}

impl Hosts {
    /// Makes hosts with these names, each of which knows all of them.
    ///
    /// # Errors
    ///
    /// When this machine lacks the tools, the right, or the kernel for it.
    ///
    /// # Panics
    ///
    /// If the network cannot be made although it has all three.
    pub fn new(names: &[&str]) -> Result<Self, Missing> {
        let tools = install::hosts()?;
        if !rustix::process::geteuid().is_root() {
            return Err(Missing("only root can make several hosts out of one machine".to_owned()));
        }
        let switch = Space::hold(&tools, "switch")?;
        switch
            .shell("ip link add bridge type bridge && ip link set bridge up")
            .map_err(|why| Missing(format!("this kernel makes no bridge: {why}")))?;
        let addresses = (FIRST..).map(|last| Ipv4Addr::new(NETWORK[0], NETWORK[1], NETWORK[2], last));
        let mut hosts = Vec::new();
        for (name, address) in names.iter().zip(addresses) {
            hosts.push(Host::plug(&tools, name, address, &switch)?);
        }
        let all = Self { hosts, switch };
        let names: Vec<_> = all.hosts.iter().map(|host| (host.name.as_str(), host.address)).collect();
        all.hosts.iter().for_each(|host| host.know(&names));
        Ok(all)
    }

    /// The host of that name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).unwrap_or_else(|| panic!("no host {name}"))
    }

    /// Pulls the cable of a host out, or puts it in again. Its own addresses stay with it.
    ///
    /// # Panics
    ///
    /// If there is no such host.
    pub fn cable(&self, name: &str, plugged: bool) {
        let host = self.host(name);
        let state = if plugged { "up" } else { "down" };
        must(&self.switch.shell(&format!("ip link set {} {state}", host.port())));
    }
}

/// One host.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: Ipv4Addr,
    space: Space,
    layers: AtomicU32,
}

impl Host {
    fn plug(tools: &Path, name: &str, address: Ipv4Addr, switch: &Space) -> Result<Self, Missing> {
        let space = Space::hold(tools, name)?;
        let host = Self { name: name.to_owned(), address, space, layers: AtomicU32::new(0) };
        let (port, switch_id) = (host.port(), switch.holder.id());
        // The other end of the cable is made where it belongs, so that no name meets another one's.
        must(&host.space.shell(&format!(
            "ip link add name eth0 type veth peer name {port} netns {switch_id} && \
             ip address add {address}/24 dev eth0 && ip link set eth0 up"
        )));
        must(&switch.shell(&format!("ip link set {port} master bridge && ip link set {port} up")));
        Ok(host)
    }

    /// Its end at the bridge.
    fn port(&self) -> String {
        format!("port{}", self.address.octets()[3])
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the bridge.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Gives it one more address, with the length of its network's prefix: `10.78.0.12/24`. Hosts that are to reach it
    /// there want one of that network, too.
    ///
    /// # Panics
    ///
    /// If it cannot have it.
    pub fn also_at(&self, address: &str) {
        must(&self.space.shell(&format!("ip address add {address} dev eth0")));
    }

    /// Writes its `/etc/hosts`: these names beside `localhost`, and no others.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn know(&self, names: &[(&str, Ipv4Addr)]) {
        let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
        names.iter().for_each(|(name, address)| text.push_str(&format!("{address} {name}\n")));
        let mut write = self.command("sh");
        write.args(["-c", "cat > /etc/hosts"]);
        process::run(&mut write, text.as_bytes(), LIMIT).success("/etc/hosts of a host");
    }

    /// A program on this host, in the machine's own tree of files; it starts in `/`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.space.enter();
        command.arg(program);
        command
    }

    /// A root folder for a container on this host: what `image` holds, under a layer of its own that lives in memory
    /// as long as the host. `/etc/hosts`, `/proc` and `/dev` are there.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn root(&self, image: &Path) -> Root<'_> {
        let layer = format!("/sys/fs/layer{}", self.layers.fetch_add(1, Ordering::Relaxed));
        let mut command = self.command("sh");
        command.args(["-c", ROOT, "root.sh"]).arg(image).arg(&layer);
        process::run(&mut command, &[], LIMIT).success("a root folder");
        Root { host: self, path: Path::new(&layer).join("root") }
    }
}

/// A root folder for the programs of one container.
#[derive(Debug)]
pub struct Root<'a> {
    host: &'a Host,
    path: PathBuf,
}

impl Root<'_> {
    /// Makes a folder of the machine appear in it, as a volume does.
    ///
    /// # Panics
    ///
    /// If it cannot be mounted.
    pub fn mount(&self, folder: &Path, at: &str) {
        let at = self.path.join(at.trim_start_matches('/'));
        let mut command = self.host.command("sh");
        command.args(["-c", "mkdir -p \"$2\" && mount --bind \"$1\" \"$2\"", "sh"]).arg(folder).arg(at);
        process::run(&mut command, &[], LIMIT).success("a mounted folder");
    }

    /// Where it lies on its host: for a look into it by a [`Host::command`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A program of the container, by user and group number, or by root. Its environment is empty but for `PATH`.
    pub fn command(&self, user: Option<(u32, u32)>, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.host.space.enter();
        command.arg(self.host.space.tools.join("chroot"));
        if let Some((user, group)) = user {
            command.arg(format!("--userspec={user}:{group}"));
        }
        command.arg(&self.path).arg(program);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

/// Namespaces, and the shell that holds them.
#[derive(Debug)]
struct Space {
    tools: PathBuf,
    holder: Child,
}

impl Space {
    fn hold(tools: &Path, name: &str) -> Result<Self, Missing> {
        let mut command = Command::new(tools.join("unshare"));
        command.args(["--net", "--mount", "--uts", "sh", "-c", HOLD, "hold.sh", name]);
        command.env("PATH", path_with(tools)).current_dir("/");
        // Ctrl-C at the terminal ends the test, whose end the shell then sees, and not the shell before that.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut first = String::new();
        let said = BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut first);
        if said.is_ok() && first == "held\n" {
            return Ok(Self { tools: tools.to_owned(), holder });
        }
        let end = holder.wait_with_output().expect("our own child can be waited for");
        Err(Missing(format!(
            "this machine makes no namespaces: {}",
            String::from_utf8_lossy(&end.stderr).trim()
        )))
    }

    /// A command that enters the namespaces and becomes what follows.
    fn enter(&self) -> Command {
        let mut command = Command::new(self.tools.join("nsenter"));
        command.arg(format!("--target={}", self.holder.id())).args(["--net", "--mount", "--uts", "--"]);
        command.env("PATH", path_with(&self.tools));
        command
    }

    /// Runs a line of shell in them; what it complains about.
    fn shell(&self, line: &str) -> Result<(), String> {
        let mut command = self.enter();
        command.args(["sh", "-c", line]);
        let finished = process::run(&mut command, &[], LIMIT);
        if finished.status.success() { Ok(()) } else { Err(format!("{line}: {}", finished.stderr.trim())) }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let begin = Instant::now();
        while begin.elapsed() < LIMIT {
            if self.holder.try_wait().is_ok_and(|end| end.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // Not by a panic: the test may be in one.
        let _ = writeln!(std::io::stderr(), "the holder of a host did not end in {LIMIT:?} and is killed");
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The tools of ours before those of the machine, some of which lie where only root looks.
fn path_with(tools: &Path) -> String {
    let machine = std::env::var("PATH").unwrap_or_default();
    format!("{}:{machine}:/usr/sbin:/usr/bin:/sbin:/bin", tools.display())
}

fn must(done: &Result<(), String>) {
    if let Err(why) = done {
        panic!("{why}");
    }
}
