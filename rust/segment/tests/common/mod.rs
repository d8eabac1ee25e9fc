//! A runtime directory of a test's own.

use std::path::PathBuf;

use junctor_core::state::Room;

/// What a small fleet needs.
pub const NEEDED: Room = Room { deployments: 1, buckets: 1, groups: 3, lengths: 2 };

/// A directory that is gone when this is dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    /// Made by the segment itself, with the mode that it wants.
    pub fn new(name: &str) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        Self { path: root.join(format!("junctor-test-{name}-{}", std::process::id())) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
