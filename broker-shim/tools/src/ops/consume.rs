//! Reading topics: as a member of a group, or partitions by themselves; where to begin, when to commit.
//!
//! ```text
//!  join -> positions (committed, else by the reset rule) -> poll, poll, ... -> commit -> leave
//!            ^ partitions are given anew: commit, join again ^
//! ```
//!
//! # Invariants
//!
//! * What is committed was shown: positions move with [`Consumer::shown`], not with what was fetched.
//! * A member commits before it joins again and before it leaves, if it commits at all.
//!
//! # Not here
//!
//! How messages are shown, and how many (`kafka::console_consumer`, `kafka::consumer_perf_test`).

use crate::failure::Failure;
use crate::ops::client_options::Reset;
use kafka_client::{
    Client, ClientError, Fetched, Fetcher, FetcherConfig, GroupConfig, GroupMember, Isolation, MemberState,
    OffsetSpec, TopicPartition,
};
use kafka_wire::ErrorCode;
use regex::Regex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often topics are looked for that a pattern means.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What is read.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Topics, shared with the other members of a group.
    Topics(Vec<String>),
    /// All topics whose whole name a pattern means, likewise.
    Pattern(Regex),
    /// One partition, from there on; no group.
    Partition(TopicPartition, OffsetSpec),
    /// One partition from an offset on.
    At(TopicPartition, i64),
    /// These partitions, from the offsets that somebody else keeps; without one by the reset rule. No group.
    Kept(Vec<(TopicPartition, Option<i64>)>),
}

/// How it is read.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How partitions are fetched.
    pub fetcher: FetcherConfig,
    /// Where to begin without a commit.
    pub reset: Reset,
    /// How often to commit; `None`: never.
    pub commit: Option<Duration>,
    /// Whether the broker may make the topic.
    pub create: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Consumer {
    wanted: Wanted,
    rules: Rules,
    group: GroupConfig,
    member: Option<GroupMember>,
    fetcher: Fetcher,
    /// The next offset of each partition that was not shown.
    shown: BTreeMap<TopicPartition, i64>,
    committed: BTreeMap<TopicPartition, i64>,
    last_commit: Instant,
    last_look: Instant,
    /// Time spent on joining.
    joining: Duration,
    /// A join was begun and not ended: there is no share until there was another.
    unsettled: bool,
}

impl Consumer {
    /// Joins, or finds the partition; ready to poll. The topics of `group` are filled in here.
    ///
    /// # Errors
    ///
    /// If there is no such topic, or a broker refuses.
    pub fn start(
        client: &mut Client,
        wanted: Wanted,
        rules: Rules,
        group: GroupConfig,
    ) -> Result<Self, Failure> {
        let fetcher = Fetcher::new(rules.fetcher.clone());
        let mut this = Self {
            wanted,
            rules,
            group,
            member: None,
            fetcher,
            shown: BTreeMap::new(),
            committed: BTreeMap::new(),
            last_commit: Instant::now(),
            last_look: Instant::now(),
            joining: Duration::ZERO,
            unsettled: false,
        };
        match this.wanted.clone() {
            Wanted::Partition(at, spec) => {
                let offset = this.offset(client, &at, spec)?;
                this.begin(at, offset);
            }
            Wanted::At(at, offset) => {
                known_topic(client, &at.topic, this.rules.create)?;
                this.begin(at, offset);
            }
            Wanted::Kept(partitions) => {
                for (at, kept) in partitions {
                    let offset = match kept {
                        Some(offset) => offset,
                        None => this.reset(client, &at, None)?,
                    };
                    this.begin(at, offset);
                }
            }
            Wanted::Topics(topics) => {
                for topic in &topics {
                    known_topic(client, topic, this.rules.create)?;
                }
                this.group.topics = topics;
                this.join(client)?;
            }
            Wanted::Pattern(pattern) => {
                this.group.topics = matching(client, &pattern)?;
                this.join(client)?;
            }
        }
        Ok(this)
    }

    /// Time spent on joining the group so far.
    #[must_use]
    pub const fn joining(&self) -> Duration {
        self.joining
    }

    /// The partitions that are read.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<TopicPartition, i64> {
        self.fetcher.positions()
    }

    /// Fetches once, for at most `wait`; keeps the membership alive, and commits if it is time to.
    ///
    /// # Errors
    ///
    /// If a broker cannot be asked or refuses.
    pub fn poll(&mut self, client: &mut Client, wait: Duration) -> Result<Fetched, Failure> {
        if self.unsettled {
            self.join(client)?;
        }
        self.upkeep(client)?;
        self.fetcher.config_mut().max_wait = wait.min(self.rules.fetcher.max_wait);
        let fetched = self.fetcher.poll(client)?;
        for problem in &fetched.problems {
            match problem.code {
                ErrorCode::OffsetOutOfRange => {
                    let offset = self.reset(client, &problem.at, Some(problem.offset))?;
                    self.begin(problem.at.clone(), offset);
                }
                code => {
                    let what = format!("reading {} at offset {}", problem.at, problem.offset);
                    return Err(ClientError::Refused { what, code, message: None }.into());
                }
            }
        }
        // Where nothing was to be shown (markers, holes), the position moved all the same.
        for (at, position) in self.fetcher.positions() {
            if !fetched.records.iter().any(|(other, _)| other == at) {
                self.shown.insert(at.clone(), *position);
            }
        }
        Ok(fetched)
    }

    /// After a poll that no broker answered: leaders are looked for anew, what was fetched and not shown is fetched again,
    /// and a member joins again, for a broker that comes back may have forgotten it.
    pub fn recover(&mut self, client: &mut Client) {
        client.forget_topics();
        for (at, next) in &self.shown {
            self.fetcher.assign(at.clone(), *next);
        }
        self.unsettled |= self.member.is_some();
    }

    /// The next offset of each partition that was not shown.
    #[must_use]
    pub const fn next_to_show(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.shown
    }

    /// Notes that a message was shown.
    pub fn shown(&mut self, at: &TopicPartition, offset: i64) {
        if let Some(next) = self.shown.get_mut(at) {
            *next = offset + 1;
        }
    }

    /// Commits what was shown and leaves.
    ///
    /// # Errors
    ///
    /// If the group's coordinator refuses.
    pub fn finish(mut self, client: &mut Client) -> Result<(), Failure> {
        let committed = self.commit(client);
        let left = self.member.take().map_or(Ok(()), |member| member.leave(client));
        committed?;
        Ok(left?)
    }

    fn begin(&mut self, at: TopicPartition, offset: i64) {
        self.shown.insert(at.clone(), offset);
        self.fetcher.assign(at, offset);
    }

    fn join(&mut self, client: &mut Client) -> Result<(), Failure> {
        let begin = Instant::now();
        self.unsettled = true;
        let result = match &mut self.member {
            Some(member) => member.rejoin(client),
            None => GroupMember::join(client, self.group.clone()).map(|member| self.member = Some(member)),
        };
        self.joining += begin.elapsed();
        result?;
        let mine = self.member.as_ref().map(|member| member.assignment().to_vec()).unwrap_or_default();
        let committed = if mine.is_empty() {
            BTreeMap::new()
        } else {
            client.committed(&self.group.group, Some(&mine))?
        };
        self.fetcher.clear();
        self.committed.clear();
        // What was shown and could not be committed is not shown again.
        let before = std::mem::take(&mut self.shown);
        let known: BTreeMap<_, _> =
            committed.into_iter().filter_map(|(at, found)| Some((at, found.offset?))).collect();
        for at in mine {
            let offset = match known.get(&at) {
                Some(offset) => {
                    self.committed.insert(at.clone(), *offset);
                    before.get(&at).map_or(*offset, |shown| *offset.max(shown))
                }
                None => match before.get(&at) {
                    Some(shown) => *shown,
                    None => self.reset(client, &at, None)?,
                },
            };
            self.begin(at, offset);
        }
        self.unsettled = false;
        Ok(())
    }

    fn upkeep(&mut self, client: &mut Client) -> Result<(), Failure> {
        if let Some(member) = &mut self.member
            && member.heartbeat_if_due(client)? == MemberState::Rebalancing
        {
            // Too late is no trouble: whoever has the partitions now reads from the last commit on.
            let _ = self.commit(client);
            return self.join(client);
        }
        if self.rules.commit.is_some_and(|interval| self.last_commit.elapsed() >= interval) {
            self.commit(client)?;
        }
        if let Wanted::Pattern(pattern) = &self.wanted
            && self.last_look.elapsed() >= LOOK_AGAIN
        {
            self.last_look = Instant::now();
            let topics = matching(client, pattern)?;
            if topics != self.group.topics {
                self.commit(client)?;
                if let Some(member) = self.member.take() {
                    member.leave(client)?;
                }
                self.group.topics = topics;
                self.join(client)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, client: &mut Client) -> Result<(), Failure> {
        self.last_commit = Instant::now();
        let Some(member) = self.member.as_mut().filter(|_| self.rules.commit.is_some()) else {
            return Ok(());
        };
        let news: Vec<_> = self
            .shown
            .iter()
            .filter(|(at, offset)| self.committed.get(*at) != Some(*offset))
            .map(|(at, offset)| (at.clone(), *offset))
            .collect();
        member.commit(client, &news)?;
        self.committed.extend(news);
        Ok(())
    }

    /// Where a partition begins that has no usable position.
    fn reset(&self, client: &mut Client, at: &TopicPartition, wrong: Option<i64>) -> Result<i64, Failure> {
        let spec = match self.rules.reset {
            Reset::Earliest => OffsetSpec::Earliest,
            Reset::Latest => OffsetSpec::Latest,
            Reset::None => {
                let why = wrong.map_or_else(
                    || format!("group {} has committed nothing for {at}", self.group.group),
                    |offset| format!("offset {offset} of {at} is not there (any more)"),
                );
                return Err(Failure::told(format!(
                    "{why}, and auto.offset.reset=none forbids to choose; set it to earliest or latest"
                )));
            }
        };
        self.offset(client, at, spec)
    }

    fn offset(&self, client: &mut Client, at: &TopicPartition, spec: OffsetSpec) -> Result<i64, Failure> {
        known_topic(client, &at.topic, self.rules.create)?;
        let isolation: Isolation = self.rules.fetcher.isolation;
        let found = client.list_offsets(&[(at.clone(), spec)], isolation)?;
        match found.into_iter().next() {
            Some((_, Ok(found))) if found.offset.is_some() => Ok(found.offset.unwrap_or_default()),
            Some((_, Err(code))) => Err(ClientError::Refused {
                what: format!("looking for an offset of {at}"),
                code,
                message: None,
            }
            .into()),
            _ => Err(Failure::told(format!("the broker knows no offset of {at}"))),
        }
    }
}

/// Makes sure that a topic is there.
fn known_topic(client: &mut Client, topic: &str, create: bool) -> Result<(), Failure> {
    let names = [topic.to_owned()];
    client
        .patiently(|client| {
            let cluster = client.metadata(Some(&names), create)?;
            let code = cluster
                .topics
                .get(topic)
                .map_or(Some(ErrorCode::UnknownTopicOrPartition), |found| found.error);
            match code {
                None => Ok(()),
                Some(code) => {
                    Err(ClientError::Refused { what: format!("topic {topic}"), code, message: None })
                }
            }
        })
        .map_err(|error| match error.code() {
            Some(ErrorCode::UnknownTopicOrPartition) => Failure::told(format!(
                "topic {topic} does not exist{}; make it with kafka-topics.sh --create",
                if create { ", and the broker does not make it by itself" } else { "" }
            )),
            _ => Failure::from(error),
        })
}

fn matching(client: &mut Client, pattern: &Regex) -> Result<Vec<String>, Failure> {
    let cluster = client.metadata(None, false)?;
    let internal = super::filter::is_internal;
    let names = cluster.topics.keys().filter(|name| pattern.is_match(name) && !internal(name));
    Ok(names.cloned().collect())
}
