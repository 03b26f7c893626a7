//! Members that a tar left out: their names and reasons are part of the answer.

use serde::Serialize;

/// Named at most; the rest is counted.
const MAX_NAMED: usize = 200;
/// Characters of a path that is named: more would not fit an answer of that many.
const MAX_PATH: usize = 512;

#[derive(Serialize)]
pub struct LeftOutMember {
    path: String,
    /// How the sentence "it …" goes on.
    reason: String,
}

#[derive(Default)]
pub struct LeftOut {
    named: Vec<LeftOutMember>,
    count: u64,
}

impl LeftOut {
    pub fn add(&mut self, path: &[u8], reason: impl Into<String>) {
        self.count += 1;
        if self.named.len() < MAX_NAMED {
            let path = String::from_utf8_lossy(path).chars().take(MAX_PATH).collect();
            self.named.push(LeftOutMember { path, reason: reason.into() });
        }
    }

    pub fn named(&self) -> &[LeftOutMember] {
        &self.named
    }

    /// Those that are not named as well.
    pub fn count(&self) -> u64 {
        self.count
    }
}
