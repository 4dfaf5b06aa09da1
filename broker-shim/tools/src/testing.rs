//! Tools against a broker of ours, with buffers for streams.

use crate::io::Io;
use crate::kafka::Tool;
use broker_shim::server::{BlockingBroker, Broker};
use std::ffi::OsString;

/// A broker on a free port, gone when it is dropped.
pub(crate) struct Rig {
    broker: BlockingBroker,
}

/// What a tool wrote, and how it ended.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: u8,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let broker = Broker::temporary_with(settings).start_blocking().expect("a broker on a free port");
        Self { broker }
    }

    pub(crate) fn address(&self) -> String {
        self.broker.addr().to_string()
    }

    /// Runs a tool with `--bootstrap-server` and these words (split at blanks).
    pub(crate) fn run(&self, tool: &Tool, line: &str) -> Ran {
        run(tool, &format!("--bootstrap-server {} {line}", self.address()))
    }

    /// The same, which must end well and write nothing to standard error.
    pub(crate) fn out(&self, tool: &Tool, line: &str) -> String {
        let ran = self.run(tool, line);
        assert_eq!((ran.err.as_str(), ran.code), ("", 0), "{line}: {}", ran.out);
        ran.out
    }
}

/// Runs a tool with these words (split at blanks).
pub(crate) fn run(tool: &Tool, line: &str) -> Ran {
    run_with(tool, line, "")
}

/// The same with an input.
pub(crate) fn run_with(tool: &Tool, line: &str, input: &str) -> Ran {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    ran_by(input, |io| tool.execute(&args, io))
}

/// What something wrote, and its exit code.
pub(crate) fn ran_by(input: &str, work: impl FnOnce(&mut Io<'_>) -> u8) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut io = Io {
        input: &mut input.as_bytes(),
        out: &mut out,
        err: &mut err,
        input_is_terminal: false,
        out_is_terminal: false,
        err_is_terminal: false,
    };
    let code = work(&mut io);
    let text = |bytes| String::from_utf8(bytes).expect("tools write text here");
    Ran { out: text(out), err: text(err), code }
}

/// Our own commands as a command line of their own.
#[derive(Debug, clap::Parser)]
struct Own {
    #[command(subcommand)]
    command: crate::own::Command,
}

/// Runs a command of ours with these words (split at blanks) and an input.
pub(crate) fn own_with(line: &str, input: &str) -> Ran {
    use clap::Parser as _;
    let own = Own::parse_from(std::iter::once("corrente").chain(line.split_whitespace()));
    ran_by(input, |io| crate::own::execute(&own.command, io))
}
