//! Prints a log's records from an offset on: `cargo run --example read -- DIR [OFFSET]`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use log_engine::{Log, LogConfig, Offset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let log = Log::open(args.next().ok_or("usage: read DIR [OFFSET]")?, LogConfig::default())?;
    let from = args.next().map_or(Ok(log.start_offset().get()), |text| text.parse())?;
    for batch in log.records(Offset::new(from).ok_or("an offset is not negative")?) {
        for record in &batch?.records()? {
            let record = record?;
            println!("{}\t{}", record.offset, String::from_utf8_lossy(record.value.unwrap_or_default()));
        }
    }
    Ok(log.close()?)
}
