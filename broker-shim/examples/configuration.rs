//! Writes `docs/CONFIGURATION.md` from the tables of settings: `cargo run -p broker-shim --example configuration`.

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md");
    std::fs::write(path, broker_shim::config::reference())
}
