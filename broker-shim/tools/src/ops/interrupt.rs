//! Ctrl-C and SIGTERM for tools that go on until they are told to stop.
//!
//! The first one asks: the tool commits, leaves its group, says how far it got and ends with the code that a shell
//! expects (128 and the signal's number). A second one ends the process at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// 128 and the number of the signal that came; 0 before.
static CODE: AtomicU8 = AtomicU8::new(0);
static WATCHED: OnceLock<()> = OnceLock::new();

/// Takes the signals over. Where that cannot be done they end the process as ever.
pub fn watch() {
    WATCHED.get_or_init(|| {
        let watch = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(wait());
        };
        let _ = std::thread::Builder::new().name("signals".into()).spawn(watch);
    });
}

async fn wait() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        let code = tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        };
        if CODE.swap(code, Ordering::Relaxed) != 0 {
            std::process::exit(code.into());
        }
    }
}

/// The exit code that a signal asks for, if one came.
#[must_use]
pub fn asked() -> Option<u8> {
    Some(CODE.load(Ordering::Relaxed)).filter(|code| *code != 0)
}
