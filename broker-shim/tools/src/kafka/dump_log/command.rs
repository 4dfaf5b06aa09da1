//! The command line of `kafka-dump-log`.

use super::{Contents, Decoder, Options as Wanted, Stop, dump};
use crate::failure::Failure;
use crate::io::Io;
use crate::kafka::Tool;
use crate::ops::coordinator::Coordinator;
use crate::options::{Arg, Opt, Options, Spec};
use std::path::PathBuf;

pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-dump-log",
        about: "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
                corrupt log segment.",
        options: &[
            Opt::value(&["files"], "file1,file2", "REQUIRED: The data and index files to be dumped."),
            Opt::flag(&["print-data-log"], "Show what is in the records; so do the decoders."),
            Opt::flag(&["deep-iteration"], "Show the records in the batches."),
            Opt::flag(&["skip-record-metadata"], "Show keys and values of records without the rest."),
            Opt::value(&["max-bytes"], "size", "Read batches up to here only."),
            Opt::value(&["max-message-size"], "size", "Taken, without effect: a message may have any size."),
            Opt::flag(&["verify-index-only"], "Check indexes without showing them."),
            Opt::flag(&["index-sanity-check"], "Check indexes as a start of the broker does."),
            Opt::flag(&["offsets-decoder"], "The file is of __consumer_offsets."),
            Opt::flag(&["transaction-log-decoder"], "The file is of __transaction_state."),
            Opt {
                names: &["value-decoder-class"],
                arg: Arg::Optional("class"),
                help: "What values are, by Kafka's decoders.",
            },
            Opt {
                names: &["key-decoder-class"],
                arg: Arg::Optional("class"),
                help: "What keys are, by Kafka's decoders.",
            },
            Opt::flag(&["cluster-metadata-decoder"], "Not here: Corrente has no such log."),
            Opt::flag(&["remote-log-metadata-decoder"], "Not here: Corrente has no such log."),
            Opt::flag(&["share-group-state-decoder"], "Not here: Corrente has no such log."),
        ],
    },
    before_errors: None,
    run,
};

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::Plain(TOOL.spec.help()));
    }
    options.require(&["files"])?;
    let wanted = read(options)?;
    match dump(&wanted, io.out, io.err) {
        Ok(()) => Ok(()),
        Err(Stop::Output(error)) => Err(error.into()),
        Err(Stop::Trouble(sentence)) => Err(Failure::told(sentence)),
    }
}

fn read(options: &Options) -> Result<Wanted, Failure> {
    for other in ["cluster-metadata-decoder", "remote-log-metadata-decoder", "share-group-state-decoder"] {
        if options.has(other) {
            return Err(Failure::Plain(format!(
                "--{other}: Corrente writes no such log; use Kafka's own tool for Kafka's files"
            )));
        }
    }
    let files = options.value("files")?.unwrap_or_default();
    let decoder = |name: &str| {
        match options.value(name)? {
        None => Ok(Decoder::Text),
        Some(class) => Decoder::of_class(class).ok_or_else(|| {
            Failure::Plain(format!(
                "--{name} {class}: this class is not known here; known are Kafka's String-, Integer-, Long- and DefaultDecoder"
            ))
        }),
    }
    };
    let contents = if options.has("offsets-decoder") {
        Contents::Coordinator(Coordinator::Groups)
    } else if options.has("transaction-log-decoder") {
        Contents::Coordinator(Coordinator::Transactions)
    } else {
        Contents::Plain(decoder("key-decoder-class")?, decoder("value-decoder-class")?)
    };
    let printing = [
        "print-data-log",
        "offsets-decoder",
        "transaction-log-decoder",
        "value-decoder-class",
        "key-decoder-class",
    ];
    let print = printing.iter().any(|name| options.has(name));
    // What fits into an int is Kafka's default, and means all.
    let max_bytes = options.parsed::<i32>("max-bytes")?.filter(|max| *max != i32::MAX);
    Ok(Wanted {
        files: files.split(',').map(PathBuf::from).collect(),
        deep: print || options.has("deep-iteration"),
        print,
        contents,
        skip_metadata: options.has("skip-record-metadata"),
        verify_only: options.has("verify-index-only"),
        sanity_only: options.has("index-sanity-check"),
        max_bytes: max_bytes.map(|max| u64::try_from(max).unwrap_or_default()),
    })
}
