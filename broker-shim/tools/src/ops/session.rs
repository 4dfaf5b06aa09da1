//! Whom a tool talks to.

use crate::failure::Failure;
use crate::options::Options;
use kafka_client::{Address, Client, ClientConfig, properties};
use std::path::Path;

/// Where the truth about topics is: a broker, or the ZooKeeper of the old tools.
#[derive(Clone, Debug)]
pub enum Target {
    /// Brokers to ask.
    Bootstrap(Bootstrap),
    /// `host:port[,host:port]...[/chroot]`, as `--zookeeper` has it.
    ZooKeeper(String),
}

/// Brokers to ask, and how.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// Dialled one after the other.
    pub addresses: Vec<Address>,
    /// Client id, time-outs.
    pub config: ClientConfig,
    /// What the property file says.
    pub properties: properties::Properties,
}

impl Bootstrap {
    /// Brokers of a list, and what a property file says about talking to them.
    ///
    /// # Errors
    ///
    /// If the list is none, the file cannot be read, or asks for what is not spoken.
    pub fn new(list: &str, file: Option<&str>) -> Result<Self, Failure> {
        let properties = match file {
            Some(file) => properties::load(Path::new(file))?,
            None => properties::Properties::new(),
        };
        Self::with_properties(list, properties)
    }

    /// The same with properties that were read already.
    ///
    /// # Errors
    ///
    /// As [`Bootstrap::new`].
    pub fn with_properties(list: &str, properties: properties::Properties) -> Result<Self, Failure> {
        let config = ClientConfig::default().with_properties(&properties)?;
        Ok(Self { addresses: Address::parse_list(list)?, config, properties })
    }

    /// Reads `--bootstrap-server` and `--command-config`.
    ///
    /// # Errors
    ///
    /// If the first is missing, and as [`Bootstrap::new`].
    pub fn of(options: &Options) -> Result<Self, Failure> {
        options.require(&["bootstrap-server"])?;
        let list = options.value("bootstrap-server")?.unwrap_or_default();
        Self::new(list, options.value("command-config")?)
    }

    /// Dials.
    ///
    /// # Errors
    ///
    /// If no broker answers.
    pub fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.addresses, self.config.clone())?)
    }
}
