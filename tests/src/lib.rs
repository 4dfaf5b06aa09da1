//! What the workspace tests share: a broker as a process of its own, clients as processes of their own.
//!
//! Everything here looks at Corrente from outside, over a socket and at its files, and uses none of its code:
//! what a test expects is worked out here or by the client, never by the thing under test.
//!
//! * [`place`]: where the workspace, its target directory and the fetched clients are.
//! * [`broker`]: start, stop, kill -9 and restart `corrente` on a directory.
//! * [`daemon`]: any server process; [`zookeeper`]: `corrente zookeeper`, or the real one in its place.
//! * [`hosts`]: several hosts on one machine, for what a single address cannot show.
//! * [`install`]: fetch clients with the ordinary package clients, once, into `target/clients`.
//! * [`kafka`]: the releases of Kafka whose tools are run, and where their jars are.
//! * [`process`]: run a client with a time limit, or follow its lines while it runs.
//! * [`client`]: the command line contract which the programs under `tests/clients` follow.
//! * [`message`]: messages as clients print them, and the comparison with what was sent.
//! * [`wire`]: the few requests a test writes by hand.
//! * [`runner`]: the `main` of test programs with `harness = false`.
//! * [`transcript`]: sessions at a terminal, as a document shows them.
//!
//! # Environment
//!
//! | variable | meaning |
//! |---|---|
//! | `CI=true` | a client whose interpreter is missing is a failure, not a skip |
//! | `CORRENTE_BIN` | the broker to test, instead of the one cargo builds here; any program which takes the same command line |
//! | `CORRENTE_ZOOKEEPER=real` | test Apache ZooKeeper 3.9.4 instead of `corrente zookeeper`: is a scenario right? |
//! | `CORRENTE_TEST_THREADS` | scenarios at a time (2) |
//! | `CORRENTE_CRASH_CYCLES` | kills of the crash loop (100; `CI=true` takes no fewer) |
//! | `CORRENTE_RESTART_LIMIT_MS` | how soon a killed broker answers again (1000) |

pub mod broker;
pub mod client;
pub mod daemon;
pub mod hosts;
pub mod install;
pub mod kafka;
pub mod message;
pub mod place;
pub mod process;
pub mod runner;
pub mod transcript;
pub mod wire;
pub mod zookeeper;
