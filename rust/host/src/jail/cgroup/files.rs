//! Writing the files of control groups.

use crate::error::{During, Outcome};
use std::fs;
use std::path::Path;

/// # Errors
/// What the kernel refused.
pub fn write(path: &Path, text: &str) -> Outcome<()> {
    fs::write(path, text).during(|| format!("write {} to {}", text.trim(), path.display()))
}
