//! Programs of the host that the daemon runs, always by an absolute path in a folder of root's.

use crate::error::{Code, Outcome, failure};
use std::path::{Path, PathBuf};

/// # Errors
/// `internal` with the name of what must be installed.
pub fn find(name: &str) -> Outcome<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.ok_or_else(|| failure(Code::Internal, format!("{name} is not installed")))
}
