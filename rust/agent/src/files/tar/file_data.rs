//! The data of a file in a tar: exactly as long as its header says, even if the file changes meanwhile.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::files::tar::sparse::Piece;

pub struct FileData {
    file: File,
    pieces: VecDeque<Piece>,
    /// Why zeros stand for what could not be read; how the sentence "it …" goes on.
    pub fault: Option<String>,
}

impl FileData {
    pub fn new(file: File, pieces: Vec<Piece>) -> Self {
        FileData { file, pieces: pieces.into(), fault: None }
    }

    pub fn left(&self) -> u64 {
        self.pieces.iter().map(|(_, length)| length).sum()
    }

    fn read_some(&mut self, buffer: &mut [u8], offset: u64) -> usize {
        if self.fault.is_none() {
            match self.file.read_at(buffer, offset) {
                Ok(0) => self.fault = Some("became shorter while it was read: zeros stand for its end".to_owned()),
                Ok(count) => return count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.read_some(buffer, offset),
                Err(error) => {
                    self.fault = Some(format!("could not be read to its end, for which zeros stand: {error}"))
                }
            }
        }
        buffer.fill(0);
        buffer.len()
    }
}

impl Read for FileData {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pieces.front().is_some_and(|(_, length)| *length == 0) {
            self.pieces.pop_front();
        }
        let Some(&(offset, length)) = self.pieces.front() else { return Ok(0) };
        let room = buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        let count = self.read_some(&mut buffer[..room], offset);
        self.pieces[0] = (offset + count as u64, length - count as u64);
        Ok(count)
    }
}
