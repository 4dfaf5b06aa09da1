//! A mounted data folder that this user may not write: the commonest fault of a container, said before anything else.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Makes the folder if it is not there, and writes a file in it.
///
/// # Errors
///
/// A sentence that names the folder, its owner, this user, and what to do.
pub(in crate::cli) fn check(folder: &Path) -> Result<(), Box<dyn Error>> {
    let probe = folder.join(".write-test");
    let written = fs::create_dir_all(folder).and_then(|()| File::create(&probe));
    // A probe that stays is no harm: the next one writes over it.
    let _ = fs::remove_file(&probe);
    match written {
        Ok(_) => Ok(()),
        Err(error) => Err(explained(folder, &error).into()),
    }
}

fn explained(folder: &Path, error: &io::Error) -> String {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // What is there of the path is what somebody mounted.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let what = match error.kind() {
        io::ErrorKind::PermissionDenied => match fs::metadata(there) {
            Ok(found) => format!(
                "{} belongs to {}:{} (mode {:o}) and this program runs as {user}:{group}; give the mounted folder to \
                 {user} (chown {user} FOLDER), or start the container with --user {}:{}",
                there.display(),
                found.uid(),
                found.gid(),
                found.mode() & 0o7777,
                found.uid(),
                found.gid(),
            ),
            Err(_) => format!("this program runs as {user}:{group}, who may not look into it"),
        },
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(
                "{} is on a file system that is mounted read-only; mount a volume at /data",
                there.display()
            )
        }
        _ => "mount a volume at /data that can be written".to_owned(),
    };
    format!("cannot write to the data folder {}: {what}: {error}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_left_clean() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        check(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named_with_owner_and_cure() {
        let dir = tempfile::tempdir().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = explained(&dir.path().join("kafka"), &denied);
        let user = rustix::process::geteuid().as_raw();
        assert!(text.contains(&format!("{} belongs to {user}:", dir.path().display())), "{text}");
        assert!(text.contains("(mode 7") && text.contains(&format!("chown {user} FOLDER")), "{text}");
        let read_only = explained(dir.path(), &io::ErrorKind::ReadOnlyFilesystem.into());
        assert!(read_only.contains("mounted read-only; mount a volume at /data"), "{read_only}");
        // A file where the folder should be.
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check(&file).unwrap_err().to_string().starts_with("cannot write to the data folder"));
    }
}
