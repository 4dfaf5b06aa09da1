//! Sets `cfg(loom)` for this package alone: no flags on the command line, no second build of everything else.

#![allow(clippy::print_stdout, reason = "that is how a build script speaks")]

fn main() {
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
