//! The file itself: found or made, and distrusted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use junctor_core::state::Room;
use rustix::fs::FallocateFlags;
use rustix::process::geteuid;

use crate::header::{HEADER_BYTES, Header, Here, Mismatch};
use crate::{Unshared, monotonic};

/// How many times somebody may be faster at making the file, and it be gone again when we look.
const ROUNDS: usize = 8;

/// This machine since it was started.
///
/// # Errors
/// [`Unshared::File`] if the system does not say.
pub fn here() -> Result<Here, Unshared> {
    let boot_path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = fs::read_to_string(boot_path).map_err(failed(boot_path, "read"))?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let boot = u128::from_str_radix(&digits, 16)
        .map_err(|_| failed(boot_path, "read")(io::Error::from(ErrorKind::InvalidData)))?;
    // Kernels without time namespaces have one for all.
    let time_namespace = fs::metadata("/proc/self/ns/time").map_or(0, |found| found.ino());
    Ok(Here { boot, time_namespace })
}

/// Opens the segment at `path`, if it is there.
///
/// # Errors
/// [`Unshared`], naming what is not as it should be.
pub fn open(path: &Path, here: &Here) -> Result<Option<(File, Header)>, Unshared> {
    let Some(file) = open_ours(path)? else { return Ok(None) };
    let mismatch = |mismatch| Unshared::Mismatch { path: path.to_owned(), mismatch };
    let size = file.metadata().map_err(failed(path, "read"))?.len();
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    (&file).take(HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(failed(path, "read"))?;
    let header = Header::read(&bytes, here).map_err(mismatch)?;
    let wanted = Header::file_bytes(header.room);
    if size == wanted { Ok(Some((file, header))) } else { Err(mismatch(Mismatch::Size(size, wanted))) }
}

/// Opens the segment at `path`, or makes it with this room.
///
/// # Errors
/// As [`open`].
pub fn open_or_make(path: &Path, here: &Here, room: Room) -> Result<(File, Header), Unshared> {
    for _ in 0..ROUNDS {
        if let Some(found) = open(path, here)? {
            return Ok(found);
        }
        make(path, here, room)?;
    }
    Err(failed(path, "kept")(io::Error::from(ErrorKind::NotFound)))
}

/// Makes the segment under a name of its own and links it to the final one: others see it whole or not at all.
fn make(path: &Path, here: &Here, room: Room) -> Result<(), Unshared> {
    let draft = Draft::beside(path);
    draft.write(here, room).map_err(failed(&draft.0, "written"))?;
    match fs::hard_link(&draft.0, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(path, "made")(error)),
        // Whoever was faster has made the same.
        _ => Ok(()),
    }
}

/// A file under a name that nobody else has; gone when this is dropped.
struct Draft(PathBuf);

impl Draft {
    fn beside(path: &Path) -> Self {
        let own = format!("{}-{:x}.draft", std::process::id(), monotonic().0);
        Self(path.with_extension(own))
    }

    fn write(&self, here: &Here, room: Room) -> io::Result<()> {
        let mut file = options().create_new(true).open(&self.0)?;
        let size = Header::file_bytes(room);
        // Space for every page now: a full disk is found here, and not when a page is first written.
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
            Err(rustix::io::Errno::OPNOTSUPP) => io::copy(&mut io::repeat(0).take(size), &mut file).map(drop)?,
            other => other?,
        }
        file.write_all_at(&Header { room, here: *here, epoch: monotonic().0 }.to_bytes(), 0)?;
        file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens a file of ours; nothing if it is not there.
///
/// # Errors
/// [`Unshared`] if it is not a regular file of this user that no other may open.
fn open_ours(path: &Path) -> Result<Option<File>, Unshared> {
    let file = match options().open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "opened")(error)),
    };
    let found = file.metadata().map_err(failed(path, "read"))?;
    let (uid, mode) = (found.uid(), found.mode() & 0o777);
    let faults = [
        (!found.is_file(), Mismatch::Kind),
        (uid != geteuid().as_raw(), Mismatch::Owner(uid)),
        (mode & 0o077 != 0, Mismatch::Mode(mode)),
    ];
    match faults.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, mismatch)) => Err(Unshared::Mismatch { path: path.to_owned(), mismatch }),
        None => Ok(Some(file)),
    }
}

/// The same file with an open file description of its own, whatever its name means by now.
pub fn again(file: &File) -> io::Result<File> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(own)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // No waiting at a pipe that somebody put there, and no following of links.
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
    options
}

pub fn failed(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Unshared {
    move |error| Unshared::File { path: path.to_owned(), verb, error }
}
