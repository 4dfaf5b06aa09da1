//! Appends the lines of the standard input to a log: `cargo run -p log-engine --example append -- DIR < FILE`.

use log_engine::{Log, LogConfig, NewRecord};
use std::io::{BufRead, stdin};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: append DIR")?;
    let log = Log::open(dir, LogConfig::default())?;
    for line in stdin().lock().lines() {
        log.append(&[NewRecord::value(line?.as_bytes())])?;
    }
    // Now it survives a power cut too.
    log.sync()?;
    Ok(log.close()?)
}
