//! Schema to Rust.
fn main() {}
