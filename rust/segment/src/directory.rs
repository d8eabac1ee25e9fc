//! The runtime directory: nobody else may write there, or they could cut the file away under its users.

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::process::geteuid;

use crate::Unshared;

/// Makes the directory if it is not there, and checks that it is ours alone.
///
/// # Errors
/// [`Unshared::Directory`].
pub fn prepare(path: &Path) -> Result<(), Unshared> {
    let problem = |problem: String| Unshared::Directory { path: path.to_owned(), problem };
    if let Err(error) = DirBuilder::new().mode(0o700).create(path)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(problem(format!("cannot be made: {error}")));
    }
    let found = fs::symlink_metadata(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    fault(&found).map_or(Ok(()), |fault| Err(problem(fault)))
}

/// The user in whose name this process acts.
#[must_use]
pub fn user() -> u32 {
    geteuid().as_raw()
}

fn fault(found: &Metadata) -> Option<String> {
    if !found.is_dir() {
        return Some("is not a directory".into());
    }
    if found.uid() != user() {
        return Some(format!("belongs to user {}", found.uid()));
    }
    let open = found.mode() & 0o022 != 0;
    open.then(|| format!("may be written by others: its mode is {:o}, expected 700", found.mode() & 0o777))
}
