//! The releases of Apache Kafka whose tools several tests run.
//!
//! Each is fetched by one list of artifacts: a test with another list under the same name would fetch it anew, and so would
//! the next one.

use std::path::PathBuf;

use crate::install::{self, Missing};
use crate::place;

/// What a JVM with Kafka's tools needs.
#[derive(Debug)]
pub struct Jars {
    /// The folder of the jars.
    pub libs: PathBuf,
    /// The option by which what they log goes to standard error.
    pub logging: String,
}

/// `kafka_2.11:2.2.0`.
///
/// # Errors
///
/// When java or mvn is missing.
pub fn jars_2_2_0() -> Result<Jars, Missing> {
    let artifacts = [
        "org.apache.kafka:kafka_2.11:2.2.0",
        "org.apache.kafka:kafka-tools:2.2.0",
        "org.slf4j:slf4j-log4j12:1.7.25",
        "log4j:log4j:1.2.17",
    ];
    Ok(Jars { libs: install::maven("kafka-2.2.0", 8, &artifacts)?, logging: log4j() })
}

/// `kafka_2.13:4.3.1`.
///
/// # Errors
///
/// When java or mvn is missing.
pub fn jars_4() -> Result<Jars, Missing> {
    let artifacts = [
        "org.apache.kafka:kafka_2.13:4.3.1",
        "org.apache.kafka:kafka-tools:4.3.1",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3",
        "org.apache.logging.log4j:log4j-core:2.25.3",
    ];
    let file = place::client_program("java/tools-log4j2.properties");
    let logging = format!("-Dlog4j2.configurationFile={}", file.display());
    Ok(Jars { libs: install::maven("kafka-4.3.1", 17, &artifacts)?, logging })
}

/// The option by which what tools with log4j 1 log goes to standard error.
pub fn log4j() -> String {
    format!("-Dlog4j.configuration=file:{}", place::client_program("java/tools-log4j.properties").display())
}
