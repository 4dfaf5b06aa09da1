//! The hands-on, word for word: each command of `docs/HANDS-ON.md` and `docs/HANDS-ON.pt-BR.md`, and of `README.md` and
//! `docs/OPERATIONS.md`, is run in order, in a checkout of its own, and has to print what the document shows.
//!
//! `cargo test -p corrente-tests --test hands_on [NAME...]`. With `CORRENTE_HANDS_ON_SHOW=1` all that the commands print is
//! shown, which is how the documents get their output. How a document is read is in `corrente_tests::transcript`.
//!
//! # Ports
//!
//! The documents say 9092 and 2181. Where one of them is taken, or another document is being run on them, two other ports
//! are put in their place in the commands and the settings, and 9092 and 2181 in what is printed.
//!
//! # The original tools
//!
//! The documents use a Kafka 2.2.0 that lies unpacked beside the checkout. Its scripts are made here, onto the same classes
//! from Maven, with the ZooKeeper client that works on the Java of today; without Java those commands are skipped.

mod session;
mod stage;

use corrente_tests::install::Missing;
use corrente_tests::place;
use corrente_tests::runner::{self, Scenario};
use corrente_tests::transcript::{self, Block};
use stage::Stage;
use std::env;
use std::fs;
use std::process::ExitCode;

const ENGLISH: &str = "docs/HANDS-ON.md";
const PORTUGUESE: &str = "docs/HANDS-ON.pt-BR.md";
/// Where the commands of a document are typed.
const SCRIPTS: &str = "corrente/bin";
const CHECKOUT: &str = "corrente";

fn main() -> ExitCode {
    runner::main(&[
        Scenario::new("the_hands_on_in_english", || word_for_word(ENGLISH, SCRIPTS)),
        Scenario::new("the_hands_on_in_portuguese", || word_for_word(PORTUGUESE, SCRIPTS)),
        Scenario::new("the_first_ten_minutes", || word_for_word("README.md", CHECKOUT)),
        Scenario::new("running_it", || word_for_word("docs/OPERATIONS.md", SCRIPTS)),
        Scenario::new("both_languages_show_the_same_commands", same_commands),
    ])
}

fn word_for_word(name: &str, home: &'static str) -> Result<(), Missing> {
    let mut stage = Stage::new(home);
    let mut wrong = Vec::new();
    for file in transcript::files(&text(name)) {
        wrong.extend(stage.lay(&file).map(|what| format!("{name}:{what}")));
    }
    for block in blocks(name) {
        wrong.extend(stage.play(&block).into_iter().map(|what| format!("{name}:{what}")));
        // What follows builds on what went before: one mistake is read more easily than all that come of it.
        if wrong.len() > 3 {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    stage.skipped().map_or(Ok(()), |what| Err(Missing(what)))
}

/// A translation has the same commands, which print the same.
fn same_commands() -> Result<(), Missing> {
    let (english, portuguese) = (blocks(ENGLISH), blocks(PORTUGUESE));
    for (ours, theirs) in english.iter().zip(&portuguese) {
        let place = format!("{ENGLISH}:{} and {PORTUGUESE}:{}", ours.line, theirs.line);
        let commands = |block: &Block| -> Vec<(String, Vec<transcript::Line>)> {
            block.steps.iter().map(|step| (step.command.clone(), step.lines.clone())).collect()
        };
        assert_eq!(commands(ours), commands(theirs), "{place}");
        let whose = |block: &Block| (block.terminal, block.host.clone(), block.going_on.clone());
        assert_eq!(whose(ours), whose(theirs), "{place}");
    }
    assert_eq!(english.len(), portuguese.len(), "one document has blocks that the other one lacks");
    assert!(english.len() > 10, "the documents have blocks");
    let files = |name| -> Vec<(String, String)> {
        transcript::files(&text(name)).into_iter().map(|file| (file.name, file.text)).collect()
    };
    assert_eq!(files(ENGLISH), files(PORTUGUESE), "the files of both documents");
    Ok(())
}

fn blocks(name: &str) -> Vec<Block> {
    transcript::blocks(&text(name))
}

fn text(name: &str) -> String {
    let path = place::workspace().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether all that is printed is to be seen.
fn showing() -> bool {
    env::var_os("CORRENTE_HANDS_ON_SHOW").is_some()
}
