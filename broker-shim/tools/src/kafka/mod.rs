//! Kafka's tools: one module a tool, with its options, its output and its exit codes.
//!
//! Standard output is what the original's is, line by line. What differs, and why: no stack trace and no log line follows
//! an error; a mistake on the command line is answered with its sentence and a hint instead of all of the help.

mod broker_api_versions;
mod cluster;
mod configs;
mod console_consumer;
pub(crate) mod console_producer;
mod consumer_groups;
mod consumer_perf_test;
mod delete_records;
mod dump_log;
mod get_offsets;
mod log_dirs;
mod producer_perf_test;
mod storage;
pub(crate) mod topics;

use crate::failure::Failure;
use crate::io::Io;
use crate::options::{Options, Spec};
use std::ffi::OsString;

/// A tool of Kafka's.
#[derive(Clone, Copy)]
pub struct Tool {
    /// Its name and options.
    pub spec: Spec,
    /// What stands before an error, if it is told on standard output; `None`: on standard error, as it is.
    pub before_errors: Option<&'static str>,
    /// What it does.
    pub(crate) run: fn(&Options, &mut Io<'_>) -> Result<(), Failure>,
}

/// All tools, by name.
pub const TOOLS: &[Tool] = &[
    broker_api_versions::TOOL,
    cluster::TOOL,
    configs::TOOL,
    console_consumer::TOOL,
    console_producer::TOOL,
    consumer_groups::TOOL,
    consumer_perf_test::TOOL,
    delete_records::TOOL,
    dump_log::TOOL,
    get_offsets::TOOL,
    log_dirs::TOOL,
    producer_perf_test::TOOL,
    storage::TOOL,
    topics::TOOL,
];

/// The tool that is called so: `kafka-topics`, `kafka-topics.sh`, `bin/kafka-topics.sh`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Tool> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.iter().find(|tool| tool.spec.tool == name)
}

impl Tool {
    /// Runs it; its exit code.
    pub fn execute(&self, args: &[OsString], io: &mut Io<'_>) -> u8 {
        let result = self.attempt(args, io);
        let code = match result {
            Ok(()) | Err(Failure::Closed) => 0,
            Err(Failure::Silent(code)) => code,
            Err(failure) => {
                self.tell(failure, io);
                1
            }
        };
        match io.out.flush() {
            // Nobody reads any more.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => code,
            Err(_) => 1,
            Ok(()) => code,
        }
    }

    fn attempt(&self, args: &[OsString], io: &mut Io<'_>) -> Result<(), Failure> {
        let options = Options::parse(&self.spec, args)?;
        if options.has("help") {
            return Ok(io.out.write_all(self.spec.help().as_bytes())?);
        }
        if options.has("version") {
            return Ok(io.line(&format!("{} (Corrente)", env!("CARGO_PKG_VERSION")))?);
        }
        (self.run)(&options, io)
    }

    fn tell(&self, failure: Failure, io: &mut Io<'_>) {
        match failure {
            Failure::Usage(text) => {
                io.err_line(&text);
                io.err_line(&format!("{}.sh --help shows all options.", self.spec.tool));
            }
            Failure::Told(text) | Failure::Away(text) => match self.before_errors {
                // Nothing can be done if nobody takes it.
                Some(before) => drop(io.line(&format!("{before}{text}"))),
                None => io.err_line(&text),
            },
            Failure::Plain(text) => io.err_line(&text),
            Failure::Silent(_) | Failure::Closed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_by_each_of_its_names() {
        for name in ["kafka-topics", "kafka-topics.sh", "./bin/kafka-topics.sh", "/a/b/kafka-topics"] {
            assert_eq!(find(name).map(|tool| tool.spec.tool), Some("kafka-topics"));
        }
        assert!(find("kafka-topic").is_none());
        assert!(find("").is_none());
    }

    #[test]
    fn every_tool_has_a_name_and_options_of_its_own() {
        let mut names: Vec<_> = TOOLS.iter().map(|tool| tool.spec.tool).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOOLS.len());
        for tool in TOOLS {
            let mut names: Vec<_> = tool.spec.all().flat_map(|opt| opt.names).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", tool.spec.tool);
        }
    }
}
