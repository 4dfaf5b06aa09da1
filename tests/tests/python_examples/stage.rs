//! Where the example runs: coordinator, broker and application with what the compose file sets for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use corrente_tests::broker::{self, Broker};
use corrente_tests::daemon::Daemon;
use corrente_tests::hosts::Hosts;
use corrente_tests::install::Missing;
use corrente_tests::place;
use corrente_tests::process::{self, Finished, Line, Running};

use crate::compose;
use crate::servers::{LIMIT, Place, warnings};

/// A broker that is ready, and a Python with the library.
pub(crate) struct Stage {
    ground: Ground,
    python: PathBuf,
}

/// Dropped in this order: servers, their folders, their hosts.
enum Ground {
    /// A host for each service.
    Hosts { kafka: Daemon, _zookeeper: Daemon, _place: Place, hosts: Hosts },
    /// All on this machine.
    Here(Broker),
}

impl Stage {
    /// With this Python.
    pub(crate) fn new(python: &Path) -> Result<Self, Missing> {
        let ground = match Hosts::new(&["zookeeper", "kafka", "app"]) {
            Ok(hosts) => on_hosts(hosts),
            Err(Missing(_)) => Ground::Here(Broker::start(&[])),
        };
        Ok(Self { ground, python: python.to_owned() })
    }

    /// The hosts, where there are any.
    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        match &self.ground {
            Ground::Hosts { hosts, .. } => Some(hosts),
            Ground::Here(_) => None,
        }
    }

    /// What the broker has warned of.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match &self.ground {
            Ground::Hosts { kafka, .. } => warnings(kafka),
            Ground::Here(_) => Vec::new(),
        }
    }

    /// The variables of the service `app`.
    fn environment(&self) -> Vec<(String, String)> {
        let mut variables = compose::environment("app");
        if let Ground::Here(broker) = &self.ground {
            let host = variables.iter_mut().find(|(key, _)| key == "kafka_host_url").expect("it is set");
            host.1 = broker.bootstrap();
        }
        variables
    }

    /// What the application takes for the broker's address.
    pub(crate) fn address(&self) -> String {
        let host = self.environment().into_iter().find(|(key, _)| key == "kafka_host_url");
        host.expect("it is set").1
    }

    fn python(&self) -> Command {
        let mut command = match &self.ground {
            Ground::Hosts { hosts, .. } => hosts.host("app").command(&self.python),
            Ground::Here(_) => Command::new(&self.python),
        };
        // Text is UTF-8 in the image, whatever it is here; and no compiled files beside the source.
        command.args(["-X", "utf8", "-W", "ignore", "-B"]).envs(self.environment());
        command
    }

    fn app(&self, arguments: &[&str]) -> Command {
        let mut command = self.python();
        command.arg(place::workspace().join("examples/python/app.py")).args(arguments);
        command
    }

    /// The version of the library.
    pub(crate) fn version(&self) -> String {
        let mut command = self.python();
        command.args(["-c", "import kafka; print(kafka.__version__)"]);
        process::run(&mut command, &[], LIMIT).success("kafka-python").stdout.trim().to_owned()
    }

    /// Runs the application to its end; what it printed.
    pub(crate) fn works(&self, arguments: &[&str]) -> String {
        process::run(&mut self.app(arguments), &[], LIMIT).success(&format!("app.py {arguments:?}")).stdout
    }

    /// Runs it with these variables over those of the compose file.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Finished {
        process::run(self.app(arguments).envs(variables.iter().copied()), &[], LIMIT)
    }

    /// Starts it, to go on while the test does other things.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.app(arguments))
    }
}

fn on_hosts(hosts: Hosts) -> Ground {
    let place = Place::new();
    let zookeeper = place.zookeeper(hosts.host("zookeeper"));
    let mut command = hosts.host("kafka").command(broker::binary());
    command.args(["server", "--env", "--override", &format!("log.dirs={}", place.path("data").display())]);
    command.envs(compose::environment("kafka"));
    let mut kafka = Daemon::spawn(&mut command, &place.path("output"));
    kafka.wait_until("a broker that is ready", LIMIT, |kafka| kafka.output().contains("started (kafka"));
    Ground::Hosts { kafka, _zookeeper: zookeeper, _place: place, hosts }
}

/// The next lines of standard output.
pub(crate) fn lines(app: &mut Running, count: usize) -> Vec<String> {
    let give_up = Instant::now() + LIMIT;
    let mut found = Vec::new();
    while found.len() < count {
        match app.line(give_up) {
            Some(Line::Out(line)) => found.push(line),
            Some(Line::Err(_)) => {}
            None => panic!("{found:?} and no more{}", app.complaints()),
        }
    }
    found
}
