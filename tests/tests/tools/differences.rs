//! Where ours may differ from the original, stream by stream, and why. The reasons stand in `docs/COMPATIBILITY.md` word for
//! word.

/// One stream of one case.
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    /// `out`, `err` or `code`.
    pub(crate) stream: &'static str,
    pub(crate) reason: &'static str,
    /// It comes out the same now and then.
    pub(crate) sometimes: bool,
}

const fn differs(case: &'static str, stream: &'static str, reason: &'static str) -> Difference {
    Difference { case, stream, reason, sometimes: false }
}

const fn sometimes(case: &'static str, stream: &'static str, reason: &'static str) -> Difference {
    Difference { sometimes: true, ..differs(case, stream, reason) }
}

const WORDS: &str = "A mistake is told in one sentence of our own that says what to do next";
const TWICE: &str = "The original says the same sentence twice";
const TRACE: &str = "The original repeats the error on standard error, with its stack trace";
const CODE: &str = "What was not done makes the exit code 1, where the original ends with 0";
const ORDER: &str = "The original lists the choices in an order that changes from run to run";
const EPOCH: &str = "Our console consumer commits without a leader epoch";
const USAGE: &str =
    "A mistake is answered with its sentence alone, not with the usage of the original before it";
const FIRST: &str = "Of several mistakes another one is told first";
const SUB: &str = "The subscription of a member is what its consumer sent: ours sends the oldest form, which every broker reads";
const CLASS: &str = "The Java class of an exception is not named";
const NEWER: &str = "Versions of the protocol that are newer than 4.3.1 are told of";
const PROMPT: &str = "The prompt is printed only where somebody types, as since 2.5";
const FORM: &str = "The output has the form of 4.3.1, with the name of the group in front";
const SORT: &str = "What could not be read is told before the number of messages, not behind it";
const EARLY: &str = "A decoder that is not known is refused before the first file is named";
const FILE: &str = "A plan with the names of groups is read for a single group too";

/// Of 4.3.1.
pub(crate) const FROM_4: &[Difference] = &[
    differs("topics: unknown option", "err", TWICE),
    differs("topics: no broker named", "err", TWICE),
    differs("producer: unknown codec", "err", WORDS),
    differs("consumer: a value that is no number", "err", SORT),
    differs("consumer: such values left out", "err", WORDS),
    differs("consumer: unknown formatter", "err", WORDS),
    differs("consumer: unknown isolation", "err", WORDS),
    differs("consumer: two groups", "err", WORDS),
    differs("consumer: commits shown", "out", SUB),
    differs("groups: describe verbose", "out", EPOCH),
    differs("groups: describe a missing one", "err", TRACE),
    differs("groups: describe the state of a missing one", "err", TRACE),
    differs("groups: reset to no time", "out", WORDS),
    differs("groups: reset to no time", "err", TRACE),
    differs("groups: reset to no time", "code", CODE),
    differs("groups: reset by no duration", "out", WORDS),
    differs("groups: reset by no duration", "err", TRACE),
    differs("groups: reset by no duration", "code", CODE),
    differs("groups: reset from a bad file", "out", WORDS),
    differs("groups: reset from a bad file", "err", TRACE),
    differs("groups: reset from a bad file", "code", CODE),
    differs("groups: reset from a file with groups", "err", FILE),
    differs("groups: reset a missing topic", "err", TRACE),
    differs("groups: reset a missing topic", "code", CODE),
    differs("groups: reset a missing partition", "out", WORDS),
    differs("groups: reset a missing partition", "code", CODE),
    differs("groups: two actions", "err", FIRST),
    differs("delete-records: a missing file", "err", WORDS),
    differs("get-offsets: no such time", "err", WORDS),
    differs("configs: alter a missing topic", "err", CLASS),
    differs("configs: a bad value", "err", CLASS),
    differs("configs: an unknown key", "err", CLASS),
    differs("api-versions: no broker named", "err", WORDS),
    differs("api-versions", "out", NEWER),
    differs("producer perf: no records", "err", USAGE),
    differs("producer perf: no payload", "err", USAGE),
    differs("producer perf: no broker named", "err", USAGE),
    differs("dump: unknown decoder", "out", EARLY),
    differs("dump: unknown decoder", "err", WORDS),
    differs("dump: no such file", "err", WORDS),
    sometimes("groups: reset without a place", "err", ORDER),
    sometimes("groups: no group", "err", ORDER),
    sometimes("groups: unknown state", "err", ORDER),
    sometimes("groups: unknown type", "err", ORDER),
    sometimes("groups: delete offsets of a missing topic", "out", CLASS),
];

/// Of 2.2.0.
pub(crate) const FROM_2_2: &[Difference] = &[
    differs("2.2 producer: keys", "out", PROMPT),
    differs("2.2 producer: no key", "out", PROMPT),
    differs("2.2 producer: options", "out", PROMPT),
    differs("2.2 producer: no key", "err", FORM),
    differs("2.2 groups: list", "out", FORM),
    differs("2.2 groups: describe", "out", FORM),
    differs("2.2 groups: describe", "err", FORM),
    differs("2.2 groups: state", "out", FORM),
    differs("2.2 groups: state", "err", FORM),
    differs("2.2 groups: members", "out", FORM),
    differs("2.2 groups: members", "err", FORM),
    differs("2.2 groups: reset", "out", FORM),
];
