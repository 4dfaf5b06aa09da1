//! What is different when the program runs in its container image: where settings come from, and where the data is.
//!
//! The image sets `CORRENTE_IMAGE` to what it is for, `broker` or `zookeeper`. It has no shell and no script: what other
//! images do in one is done here.
//!
//! | | without the image | in it |
//! |---|---|---|
//! | `KAFKA_*`, `KAFKA_CFG_*` | read with `--env` | read |
//! | `ZOOKEEPER_*` of a linked container, alias `zookeeper` in `/etc/hosts` | not looked at | `zookeeper.connect`, if nothing else sets it |
//! | `ZOO_*`, `ZOOKEEPER_*` | not looked at | settings of `corrente zookeeper` |
//! | `KAFKA_CREATE_TOPICS` | not looked at | created before clients are served |
//! | a file, if none is named | none | `/etc/corrente/server.properties`, `/mnt/shared/config/server.properties`; `zookeeper.properties` likewise |
//! | data | `./data/...` | `/data/kafka`, `/data/zookeeper` |
//! | interfaces | this machine's own | all |
//!
//! # Not here
//!
//! How `KAFKA_*` become keys (`config`); the root file system (`image/rootfs.sh`).

mod broker;
mod folder;
mod topics;
mod zookeeper;

pub(super) use broker::settings as broker_settings;
pub(super) use folder::check as check_folder;
pub(super) use topics::{Topics, create as create_topics};
pub(super) use zookeeper::entries as zookeeper_entries;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The variable that says that this is the image, and for what.
const MARK: &str = "CORRENTE_IMAGE";
/// Where a mounted file is looked for, in this order; the second is the place of Apache's image.
const MOUNTS: [&str; 2] = ["/etc/corrente", "/mnt/shared/config"];

/// What an image is for. Both have the same program.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Role {
    /// `corrente server`
    Broker,
    /// `corrente zookeeper`
    Zookeeper,
}

/// The image that this process runs in.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// What it is for.
    pub(super) role: Role,
    /// All variables that are text.
    pub(super) variables: BTreeMap<String, String>,
}

impl Image {
    /// The image, if this is one.
    ///
    /// # Errors
    ///
    /// It says that it is for something that there is not.
    pub(super) fn here() -> Result<Option<Self>, String> {
        Self::of(variables())
    }

    fn of(variables: BTreeMap<String, String>) -> Result<Option<Self>, String> {
        let role = match variables.get(MARK).map_or("", |mark| mark.trim()) {
            "" => return Ok(None),
            "broker" => Role::Broker,
            "zookeeper" => Role::Zookeeper,
            other => {
                return Err(format!(
                    "environment variable {MARK}: there is no image for {}; set it to broker or zookeeper, or unset it \
                     outside of an image",
                    crate::config::Escaped(other)
                ));
            }
        };
        Ok(Some(Self { role, variables }))
    }

    /// The file that was mounted for a server, if one was.
    pub(super) fn mounted(name: &str) -> Option<PathBuf> {
        MOUNTS.iter().map(|folder| Path::new(folder).join(name)).find(|file| file.is_file())
    }
}

/// The environment; a variable that is not UTF-8 is no setting.
pub(super) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Whether an engine or Kubernetes made the variable out of another container or service, `ZOOKEEPER` being its name:
/// `ZOOKEEPER_PORT_2181_TCP_ADDR`, `ZOOKEEPER_ENV_PATH`, `ZOOKEEPER_NAME`, `ZOOKEEPER_SERVICE_HOST`.
fn is_injected(rest: &str, value: &str) -> bool {
    rest == "NAME"
        || rest.starts_with("ENV_")
        || rest.starts_with("SERVICE_")
        || (rest.starts_with("PORT_") && (rest.contains("_TCP") || rest.contains("_UDP")))
        || value.starts_with("tcp://")
        || value.starts_with("udp://")
}

#[cfg(test)]
fn map(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_says_what_the_image_is_for() {
        let role = |value| Image::of(map(&[(MARK, value)])).map(|image| image.map(|image| image.role));
        assert_eq!(role("broker"), Ok(Some(Role::Broker)));
        assert_eq!(role("zookeeper"), Ok(Some(Role::Zookeeper)));
        assert_eq!(role(""), Ok(None));
        assert!(matches!(Image::of(BTreeMap::new()), Ok(None)));
        assert_eq!(
            role("brokr").unwrap_err(),
            "environment variable CORRENTE_IMAGE: there is no image for brokr; set it to broker or zookeeper, or unset it \
             outside of an image"
        );
    }
}
