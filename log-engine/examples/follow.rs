//! One thread appends, another follows: `cargo run -p log-engine --example follow -- DIR`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use log_engine::{Log, LogConfig, NewRecord};
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = Log::open(std::env::args().nth(1).ok_or("usage: follow DIR")?, LogConfig::default())?;
    let mut news = log.follow(log.end_offset());
    let writer = Arc::clone(&log);
    std::thread::spawn(move || {
        (0..5).try_for_each(|n: u32| writer.append(&[NewRecord::value(&n.to_be_bytes())]).map(|_| ()))?;
        writer.close()
    });
    // Until the log is closed and all of it was read.
    while let Some(batch) = news.next_within(Duration::from_secs(10))? {
        println!("{} records, the log goes on at {}", batch.view().record_count(), batch.next_offset());
    }
    Ok(())
}
