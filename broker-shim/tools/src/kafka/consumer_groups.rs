//! `kafka-consumer-groups`: lists, describes, deletes groups, and sets where they go on.
//!
//! ```text
//! $ kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group g
//!
//! GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST ...
//! g               t               0          3               5               2               -               -    ...
//! ```
//!
//! | module | what |
//! |---|---|
//! | `print` | the tables |
//! | `reset` | where offsets are set to |
//!
//! A group that does not exist is told of, and the exit code is 0, as with Kafka; a broker that does not answer makes it 1.

mod print;
mod reset;
#[cfg(test)]
mod tests;

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::groups;
use crate::ops::session::Bootstrap;
use crate::options::{Arg, Opt, Options, Spec};
use kafka_client::{Client, ClientError, TopicPartition};
use kafka_wire::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-consumer-groups",
        about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset \
                consumer group offsets.",
        options: OPTIONS,
    },
    before_errors: Some("\nError: Executing consumer group command failed due to "),
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(&["bootstrap-server"], "host:port", "REQUIRED: The brokers to connect to."),
    Opt::value(&["command-config"], "file", "A property file for the client."),
    Opt::value(&["timeout"], "ms", "How long to wait for answers."),
    Opt::flag(&["list"], "List all consumer groups."),
    Opt::flag(&["describe"], "Describe a group: offsets and lag, members or state."),
    Opt::flag(&["delete"], "Delete groups."),
    Opt::flag(&["reset-offsets"], "Set where a group without members goes on."),
    Opt::flag(&["delete-offsets"], "Forget what a group has committed for topics."),
    Opt::value(&["validate-regex"], "regex", "Say whether this is a regular expression for a subscription."),
    Opt::value(&["group"], "group", "The group; may be repeated."),
    Opt::flag(&["all-groups"], "All groups."),
    Opt::value(&["topic"], "topic[:0,1]", "The topic, or some of its partitions; may be repeated."),
    Opt::flag(&["all-topics"], "All topics that the group has committed for."),
    Opt::flag(&["offsets"], "With --describe: offsets and lag; what it does anyway."),
    Opt::flag(&["members"], "With --describe: the members."),
    Opt {
        names: &["state"],
        arg: Arg::Optional("states"),
        help: "With --describe: the state; with --list: states too, or only groups in these.",
    },
    Opt {
        names: &["type"],
        arg: Arg::Optional("types"),
        help: "With --list: types too, or only groups of these: classic, consumer.",
    },
    Opt::flag(&["verbose"], "With --describe: more columns."),
    Opt::flag(&["dry-run"], "With --reset-offsets: only show; what it does anyway."),
    Opt::flag(&["execute"], "With --reset-offsets: do it."),
    Opt::flag(&["export"], "With --reset-offsets: print it as CSV."),
    Opt::flag(&["to-earliest"], "To the first message."),
    Opt::flag(&["to-latest"], "Behind the last message."),
    Opt::flag(&["to-current"], "To where it is."),
    Opt::value(&["to-offset"], "offset", "To an offset."),
    Opt::value(&["shift-by"], "n", "Forward, or back if negative."),
    Opt::value(&["to-datetime"], "YYYY-MM-DDTHH:mm:SS.sss", "To the first message of that time or later."),
    Opt::value(&["by-duration"], "PnDTnHnMnS", "To the first message that is no older than this."),
    Opt::value(&["from-file"], "file", "To what a CSV file says."),
];

const ACTIONS: &[&str] = &["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];
const SCENARIOS: &[&str] = &[
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];
/// The groups of consumers that are known here.
const STATES: &[&str] =
    &["Stable", "PreparingRebalance", "CompletingRebalance", "Empty", "Dead", "Assigning", "Reconciling"];

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::Plain(TOOL.spec.help()));
    }
    check(options, io)?;
    if let Some(pattern) = options.value("validate-regex")? {
        return validate(pattern, io);
    }
    let mut bootstrap = Bootstrap::of(options)?;
    let timeout = Duration::from_millis(options.parsed("timeout")?.unwrap_or(5000));
    bootstrap.config.patience = timeout;
    bootstrap.config.request_timeout = bootstrap.config.request_timeout.min(timeout);
    let mut client = bootstrap.connect()?;
    let result = match ACTIONS.iter().find(|action| options.has(action)) {
        Some(&"list") => list(options, &mut client, io),
        Some(&"describe") => describe(options, &mut client, io),
        Some(&"delete") => delete(options, &mut client, io),
        Some(&"delete-offsets") => delete_offsets(options, &mut client, io),
        _ => reset::run(options, &mut client, io),
    };
    result.or_else(|failure| missing_group(failure, io))
}

/// A group that is not there is no failure of the tool.
fn missing_group(failure: Failure, io: &mut Io<'_>) -> Result<(), Failure> {
    match failure {
        Failure::Told(text) if text.starts_with("Group ") && text.ends_with(" not found.") => {
            let class = "org.apache.kafka.common.errors.GroupIdNotFoundException";
            Ok(io.line(&format!("\nError: Executing consumer group command failed due to {class}: {text}"))?)
        }
        other => Err(other),
    }
}

/// What cannot go together, in Kafka's words.
fn check(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        let all: Vec<String> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
        return Err(Failure::usage(format!("Command must include exactly one action: {}", all.join(", "))));
    }
    if !options.has("validate-regex") {
        options.require(&["bootstrap-server"])?;
    }
    let some_group = options.has("group") || options.has("all-groups");
    for action in ["describe", "delete", "reset-offsets"] {
        if options.has(action) && !some_group {
            return Err(Failure::usage(format!(
                "Option [{action}] takes one of these options: [group], [all-groups]"
            )));
        }
    }
    if options.has("describe") {
        let views = ["members", "offsets", "state"];
        if views.iter().filter(|view| options.has(view)).count() > 1 {
            return Err(Failure::usage(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]",
            ));
        }
        if options.value("state")?.is_some() {
            return Err(Failure::usage("Option [describe] does not take a value for [state]"));
        }
    }
    if options.has("delete") && options.has("topic") {
        return Err(Failure::usage(
            "The consumer does not support topic-specific offset deletion from a consumer group.",
        ));
    }
    if options.has("delete-offsets") && !(options.has("group") && options.has("topic")) {
        return Err(Failure::usage("Option [delete-offsets] takes the following options: [topic], [group]"));
    }
    if options.has("reset-offsets") {
        if options.has("dry-run") && options.has("execute") {
            return Err(Failure::usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
        }
        if !options.has("dry-run") && !options.has("execute") {
            io.err_line(reset::NOTHING_WILL_BE_DONE);
        }
        for scenario in SCENARIOS {
            options.refuse_with(scenario, SCENARIOS)?;
        }
    }
    options.refuse_with("group", &["all-groups", "list"])?;
    options.refuse_with("topic", &["list", "describe"])
}

fn validate(pattern: &str, io: &mut Io<'_>) -> Result<(), Failure> {
    match regex::Regex::new(pattern) {
        Ok(_) => io.line(&format!("The regular expression `{pattern}` is valid."))?,
        Err(error) => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            io.line(&format!("The regular expression `{pattern}` is invalid: {why}."))?;
        }
    }
    Ok(())
}

/// The groups that are meant.
fn chosen(options: &Options, client: &mut Client) -> Result<Vec<String>, Failure> {
    if options.has("all-groups") {
        let mut names: Vec<String> =
            groups::list(client, &[], &[])?.into_iter().map(|found| found.group).collect();
        names.sort();
        return Ok(names);
    }
    Ok(options.values("group").to_vec())
}

fn list(options: &Options, client: &mut Client, io: &mut Io<'_>) -> Result<(), Failure> {
    let words = |name: &str| -> Result<Vec<String>, Failure> {
        let text = options.value(name)?.unwrap_or_default();
        Ok(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    };
    let (states, kinds) = (words("state")?, words("type")?);
    let plain = |word: &str| word.to_lowercase().replace(['_', ' '], "");
    if states.iter().any(|state| !STATES.iter().any(|known| plain(known) == plain(state))) {
        return Err(Failure::usage(format!(
            "Invalid state list '{}'. Valid states are: {}",
            options.value("state")?.unwrap_or_default(),
            STATES.join(", ")
        )));
    }
    if kinds.iter().any(|kind| !["classic", "consumer"].contains(&plain(kind).as_str())) {
        return Err(Failure::usage(format!(
            "Invalid types list '{}'. Valid types are: Classic, Consumer",
            options.value("type")?.unwrap_or_default()
        )));
    }
    let canonical = |state: &String| {
        STATES.iter().find(|known| plain(known) == plain(state)).map(|known| (*known).to_owned())
    };
    let states: Vec<String> = states.iter().filter_map(canonical).collect();
    let found = groups::list(client, &states, &kinds)?;
    Ok(io.out.write_all(print::listing(&found, options.has("type"), options.has("state")).as_bytes())?)
}

fn describe(options: &Options, client: &mut Client, io: &mut Io<'_>) -> Result<(), Failure> {
    let verbose = options.has("verbose");
    let names: BTreeSet<String> = chosen(options, client)?.into_iter().collect();
    // All are asked for before the first is shown, as with Kafka: one that is missing is an error of the whole.
    let mut found = Vec::new();
    for name in &names {
        found.push(groups::describe(client, name)?);
    }
    for group in &found {
        if options.has("members") {
            print::state_note(group, io)?;
            io.out.write_all(print::members(group, verbose).as_bytes())?;
        } else if options.has("state") {
            print::state_note(group, io)?;
            io.out.write_all(print::state(group, verbose).as_bytes())?;
        } else {
            let rows = groups::progress(client, group)?;
            print::state_note(group, io)?;
            io.out.write_all(print::offsets(&group.group, &rows, verbose).as_bytes())?;
        }
    }
    Ok(())
}

fn delete(options: &Options, client: &mut Client, io: &mut Io<'_>) -> Result<(), Failure> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for name in chosen(options, client)? {
        match groups::delete(client, &name) {
            Ok(()) => done.push(format!("'{name}'")),
            Err(error) => failed.push((name, exception(&error))),
        }
    }
    if failed.is_empty() {
        let text = format!("Deletion of requested consumer groups ({}) was successful.", done.join(", "));
        return Ok(io.line(&text)?);
    }
    io.line("\nError: Deletion of some consumer groups failed:")?;
    for (name, why) in failed {
        io.line(&format!("* Group '{name}' could not be deleted due to: {why}"))?;
    }
    if !done.is_empty() {
        io.line(&format!("\nThese consumer groups were deleted successfully: {}", done.join(", ")))?;
    }
    Ok(())
}

/// As Java shows an error: the class, then the words.
fn exception(error: &ClientError) -> String {
    match error.code() {
        Some(code) => format!("{}: {}", class(code), error.words()),
        None => error.words(),
    }
}

/// The class that Java's client throws for a code.
fn class(code: ErrorCode) -> String {
    let name = match code {
        ErrorCode::GroupIdNotFound => "GroupIdNotFoundException",
        ErrorCode::NonEmptyGroup => "GroupNotEmptyException",
        ErrorCode::GroupSubscribedToTopic => "GroupSubscribedToTopicException",
        ErrorCode::UnknownTopicOrPartition => "UnknownTopicOrPartitionException",
        ErrorCode::InvalidGroupId => "InvalidGroupIdException",
        ErrorCode::UnsupportedVersion => "UnsupportedVersionException",
        other => return format!("{other:?}"),
    };
    format!("org.apache.kafka.common.errors.{name}")
}

fn delete_offsets(options: &Options, client: &mut Client, io: &mut Io<'_>) -> Result<(), Failure> {
    let group = options.value("group")?.unwrap_or_default();
    let partitions = groups::partitions(client, options.values("topic"))?;
    let mut results: BTreeMap<TopicPartition, Option<String>> = BTreeMap::new();
    match groups::delete_offsets(client, group, &partitions) {
        Ok(codes) => {
            let failed = codes.values().any(|code| *code != ErrorCode::None);
            io.line(&if failed {
                "\nError: Encountered some partition-level error, see the follow-up details.".to_owned()
            } else {
                format!("Request succeeded for deleting offsets from group {group}.")
            })?;
            let text = |code: ErrorCode| {
                let error = ClientError::Refused { what: String::new(), code, message: None };
                (code != ErrorCode::None).then(|| exception(&error))
            };
            results.extend(codes.into_iter().map(|(at, code)| (at, text(code))));
        }
        Err(error) if error.code().is_some() => {
            io.line(&format!("\nError: {}", error.words()))?;
            results.extend(partitions.into_iter().map(|at| (at, Some(exception(&error)))));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(io.out.write_all(print::deleted(&results).as_bytes())?)
}
