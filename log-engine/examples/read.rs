//! Prints a log's records from an offset on: `cargo run -p log-engine --example read -- DIR [OFFSET]`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use log_engine::{Log, LogConfig, Offset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: read DIR [OFFSET]")?;
    if !std::path::Path::new(&dir).is_dir() {
        return Err(format!("{dir} is no directory: `append` makes a log").into());
    }
    let log = Log::open(dir, LogConfig::default())?;
    let from = args.next().map_or(Ok(log.start_offset().get()), |text| text.parse())?;
    for batch in log.records(Offset::new(from).ok_or("an offset is not negative")?) {
        for record in &batch?.records()? {
            let record = record?;
            println!("{}\t{}", record.offset, String::from_utf8_lossy(record.value.unwrap_or_default()));
        }
    }
    Ok(log.close()?)
}
