//! Prints a log's records from an offset on, also while somebody writes it:
//! `cargo run -p log-engine --example read -- DIR [OFFSET]`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use log_engine::{LogConfig, LogReader, Offset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: read DIR [OFFSET]")?;
    if !std::path::Path::new(&dir).is_dir() {
        return Err(format!("{dir} is no directory: `append` makes a log").into());
    }
    // Who only reads opens no writer: it takes no lock, and changes nothing.
    let log = LogReader::open(dir, &LogConfig::default())?;
    let from = args.next().map_or(Ok(log.start_offset().get()), |text| text.parse())?;
    let mut records = log.records(Offset::new(from).ok_or("an offset is not negative")?).cursor();
    while let Some(record) = records.next()? {
        println!("{}\t{}", record.offset, String::from_utf8_lossy(record.value.unwrap_or_default()));
    }
    Ok(())
}
