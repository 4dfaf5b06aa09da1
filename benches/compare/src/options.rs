//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

/// How `compare` is called.
pub const USAGE: &str = "\
usage: corrente-compare [WORKLOAD...] [OPTIONS]

workloads (all without a name):
  append      five shapes, unsynced
  synced      appends that are on the disk when they return: 1, 16, 64 threads
  read        sequential, verified and unverified
  random      by offset, and by time where there is such a thing
  reopen      after a clean stop, and after kill -9
  rebuild     of the offset and time indexes
  sustained   a long run of 64 KiB batches: mean and p99.9
  many        10,000 logs against 100
  limits      memory, CRC: what the machine gives
  durable     which engines sync when they are asked to (needs strace)

options:
  --dir DIR       where the files go; a real disk (default: the current directory)
  --rounds N      interleaved rounds, of which the median counts (default 3)
  --mib N         bytes of one measurement of append (default 64) and of the logs that are read (4 x)
  --seconds S     and it ends after so long (default 1)
  --reopen-mib N  size of the logs that are reopened (default 1024)
  --sustained-mib N  length of the long run (default 8192)
  --logs N        many logs are so many (default 10000)
  --only A,B      these engines only, with log-engine and the raw limits
  --cpu-time      where one thread works and waits for no device, count its CPU time: for a machine that others use
  --quick         small sizes: two or three minutes in all, for a look";

/// Sizes, places and names.
#[derive(Clone, Debug)]
pub struct Options {
    pub workloads: Vec<String>,
    pub dir: PathBuf,
    pub rounds: usize,
    pub bytes: u64,
    pub time: Duration,
    pub reopen_bytes: u64,
    pub sustained_bytes: u64,
    pub logs: usize,
    pub only: Option<Vec<String>>,
    pub cpu_time: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workloads: Vec::new(),
            dir: PathBuf::from("."),
            rounds: 3,
            bytes: 64 << 20,
            time: Duration::from_secs(1),
            reopen_bytes: 1 << 30,
            sustained_bytes: 8 << 30,
            logs: 10_000,
            only: None,
            cpu_time: false,
        }
    }
}

impl Options {
    /// Parses the arguments behind the program's name; `Err` is what to tell the user.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--dir" => options.dir = PathBuf::from(value()?),
                "--rounds" => options.rounds = number::<usize>(&value()?)?.max(1),
                "--mib" => options.bytes = number::<u64>(&value()?)? << 20,
                "--seconds" => options.time = Duration::from_secs_f64(number(&value()?)?),
                "--reopen-mib" => options.reopen_bytes = number::<u64>(&value()?)? << 20,
                "--sustained-mib" => options.sustained_bytes = number::<u64>(&value()?)? << 20,
                "--logs" => options.logs = number(&value()?)?,
                "--only" => options.only = Some(value()?.split(',').map(str::to_owned).collect()),
                "--cpu-time" => options.cpu_time = true,
                "--quick" => options.quick(),
                "--help" | "-h" => return Err(USAGE.to_owned()),
                name if name.starts_with('-') => return Err(format!("unknown option {name}\n\n{USAGE}")),
                name => options.workloads.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    fn quick(&mut self) {
        self.bytes = 16 << 20;
        self.time = Duration::from_millis(300);
        self.reopen_bytes = 256 << 20;
        self.sustained_bytes = 1 << 30;
        self.logs = 1000;
    }

    /// Whether a workload was asked for.
    pub fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| name == workload)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
