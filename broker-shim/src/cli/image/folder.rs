//! A data folder that this user may not write: the commonest fault of a container, said before anything else. Outside of
//! the image whatever else hinders is left to the start, which says it itself.

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
pub(in crate::cli) fn check(folder: &Path, in_image: bool) -> Result<(), Box<dyn Error>> {
    let probe = folder.join(".write-test");
    let written = fs::create_dir_all(folder).and_then(|()| File::create(&probe));
    // A probe that stays is no harm: the next one writes over it.
    let _ = fs::remove_file(&probe);
    match written {
        Err(error) if in_image || is_forbidden(&error) => Err(explained(folder, &error, in_image).into()),
        _ => Ok(()),
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn explained(folder: &Path, error: &io::Error, in_image: bool) -> String {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // What is there of the path is what somebody mounted.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let what = match error.kind() {
        io::ErrorKind::PermissionDenied => match fs::metadata(there) {
            Ok(found) => format!(
                "{} belongs to {}:{} (mode {:o}) and this program runs as {user}:{group}; {}",
                there.display(),
                found.uid(),
                found.gid(),
                found.mode() & 0o7777,
                cure(there, user, found.uid(), found.gid(), in_image),
            ),
            Err(_) => format!("this program runs as {user}:{group}, who may not look into it"),
        },
        io::ErrorKind::ReadOnlyFilesystem => {
            let cure =
                if in_image { "mount a volume at /data" } else { "choose another one, or mount it writable" };
            format!("{} is on a file system that is mounted read-only; {cure}", there.display())
        }
        _ => "mount a volume at /data that can be written".to_owned(),
    };
    format!("cannot write to the data folder {}: {what}: {error}", folder.display())
}

fn cure(there: &Path, user: u32, owner: u32, group: u32, in_image: bool) -> String {
    if in_image {
        return format!(
            "give the mounted folder to {user} (chown {user} FOLDER), or start the container with --user {owner}:{group}"
        );
    }
    format!(
        "give it to this user (chown {user} {}), start as user {owner}, or choose another folder",
        there.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_left_clean() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        check(&folder, false).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named_with_owner_and_cure() {
        let dir = tempfile::tempdir().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = explained(&dir.path().join("kafka"), &denied, true);
        let user = rustix::process::geteuid().as_raw();
        assert!(text.contains(&format!("{} belongs to {user}:", dir.path().display())), "{text}");
        assert!(text.contains("(mode 7") && text.contains(&format!("chown {user} FOLDER")), "{text}");
        let outside = explained(&dir.path().join("kafka"), &denied, false);
        assert!(
            outside.contains(&format!("give it to this user (chown {user} {})", dir.path().display())),
            "{outside}"
        );
        assert!(!outside.contains("container") && !outside.contains("mounted"), "{outside}");
        let read_only = explained(dir.path(), &io::ErrorKind::ReadOnlyFilesystem.into(), true);
        assert!(read_only.contains("mounted read-only; mount a volume at /data"), "{read_only}");
        // A file where the folder should be.
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(check(&file, true).unwrap_err().to_string().starts_with("cannot write to the data folder"));
        // Outside of the image the start says it.
        check(&file, false).unwrap();
    }

    #[test]
    fn outside_of_the_image_a_folder_that_takes_no_files_is_explained_too() {
        // Nobody, root included, makes a file there.
        let text = check(Path::new("/sys/kernel"), false).unwrap_err().to_string();
        assert!(text.starts_with("cannot write to the data folder /sys/kernel: /sys/kernel "), "{text}");
        assert!(!text.contains("container") && !text.contains("/data"), "{text}");
    }
}
