//! The image: made once, and what is in it.

use corrente_tests::daemon::Daemon;
use corrente_tests::hosts::Root;
use corrente_tests::install::{self, Missing};
use corrente_tests::place;
use corrente_tests::process::{self, Finished};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// The user of the image.
pub(crate) const USER: (u32, u32) = (1000, 0);

/// The root file system, in a folder that goes with it.
pub(crate) struct Image {
    dir: tempfile::TempDir,
}

impl Image {
    pub(crate) fn new() -> Result<Self, Missing> {
        let binary = install::static_binary()?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let script = place::workspace().join("image/rootfs.sh");
        let mut command = Command::new("sh");
        command.arg(script).arg(binary).arg(dir.path().join("root"));
        process::run(&mut command, &[], LIMIT).success("image/rootfs.sh");
        Ok(Self { dir })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Where the output of servers goes.
    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.out"))
    }
}

/// A container of the image: its root folder on a host, and what the image or `docker run --env` sets.
pub(crate) struct Container<'a> {
    pub(crate) root: Root<'a>,
    pub(crate) variables: Vec<(String, String)>,
}

impl<'a> Container<'a> {
    pub(crate) fn new(root: Root<'a>, role: &str, variables: &[(&str, &str)]) -> Self {
        let image = [("PATH", "/bin"), ("CORRENTE_IMAGE", role)];
        let all = image.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Self { root, variables: all.collect() }
    }

    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let mut command = self.root.command(Some(USER), line[0]);
        command.args(&line[1..]).envs(self.variables.iter().cloned());
        command
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, line: &[&str], input: &str) -> Finished {
        process::run(&mut self.command(line), input.as_bytes(), LIMIT)
    }

    /// Starts the program of the image, and waits until it says that it is ready.
    pub(crate) fn start(&self, line: &[&str], output: &Path) -> Daemon {
        let mut server = Daemon::spawn(&mut self.command(line), output);
        server.wait_until("a server in its container", LIMIT, |server| {
            server.output().contains(" is ready on ")
        });
        server
    }
}

pub(crate) fn is_what_the_dockerfile_says() -> Result<(), Missing> {
    let dockerfile = fs::read_to_string(place::workspace().join("Dockerfile")).expect("the recipe");
    for line in [
        "RUN image/build.sh /out/corrente",
        "RUN image/rootfs.sh /out/corrente /out/root",
        "FROM scratch AS base",
        "USER 1000:0",
        "ENV PATH=/bin",
        "FROM base AS corrente-zookeeper\nENV CORRENTE_IMAGE=zookeeper\nEXPOSE 2181",
        "FROM base AS corrente\nENV CORRENTE_IMAGE=broker\nEXPOSE 9092",
        "CMD [\"corrente\", \"zookeeper\"]",
        "CMD [\"corrente\", \"server\"]",
        "CMD [\"corrente\", \"healthcheck\"]",
    ] {
        assert!(dockerfile.contains(line), "{line}");
    }
    assert!(!dockerfile.contains("\nENTRYPOINT"), "it would swallow `docker run IMAGE kafka-topics.sh`");

    let image = Image::new()?;
    for entry in fs::read_dir(place::workspace().join("bin")).expect("the names") {
        let name = entry.expect("the names").file_name();
        if name.to_string_lossy().ends_with(".sh") {
            let link = fs::read_link(image.path().join("bin").join(&name));
            assert_eq!(link.unwrap_or_default(), Path::new("corrente"), "{}", name.display());
        }
    }
    let files = fs::read_dir(image.path().join("bin")).expect("it is there");
    let programs =
        files.filter(|file| file.as_ref().is_ok_and(|file| file.file_type().is_ok_and(|t| t.is_file())));
    assert_eq!(programs.count(), 1, "no shell, no tool but the program itself");
    Ok(())
}
