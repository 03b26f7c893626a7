//! Writing a guest's memory page by page into a sparse file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const ZERO: [u8; 4096] = [0; 4096];
/// Bytes written at a time.
const CHUNK: u64 = 1024 * 1024;

/// Takes in single pages, and writes those in a row together.
pub struct PageWriter<'a> {
    file: &'a File,
    from: u64,
    row: Vec<u8>,
    /// Called with the number of bytes before they are written.
    before: &'a dyn Fn(u64) -> io::Result<()>,
}

impl<'a> PageWriter<'a> {
    pub fn new(file: &'a File, before: &'a dyn Fn(u64) -> io::Result<()>) -> Self {
        Self { file, from: 0, row: Vec::new(), before }
    }

    /// # Errors
    /// What the file system refused of earlier pages.
    pub fn write(&mut self, offset: u64, page: &[u8]) -> io::Result<()> {
        if self.from + self.row.len() as u64 != offset || self.row.len() as u64 >= CHUNK {
            self.flush()?;
            self.from = offset;
        }
        self.row.extend_from_slice(page);
        Ok(())
    }

    /// Makes a page zero that may have been written earlier.
    ///
    /// # Errors
    /// As `write`.
    pub fn clear(&mut self, offset: u64) -> io::Result<()> {
        self.flush()?;
        let mut page = ZERO;
        self.file.read_exact_at(&mut page, offset)?;
        if page == ZERO { Ok(()) } else { self.file.write_all_at(&ZERO, offset) }
    }

    /// # Errors
    /// As `write`.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.row.is_empty() {
            (self.before)(self.row.len() as u64)?;
            self.file.write_all_at(&self.row, self.from)?;
            self.row.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn empty() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16 * PAGE).unwrap();
        file
    }

    #[test]
    fn pages_are_written_where_they_belong_and_cleared() {
        let to = empty();
        let seen = std::cell::Cell::new(0);
        let before = |bytes: u64| {
            seen.set(seen.get() + bytes);
            Ok(())
        };
        let mut writer = PageWriter::new(&to, &before);
        for (number, byte) in [(1, 1), (2, 2), (5, 5), (1, 9)] {
            writer.write(number * PAGE, &[byte; 4096]).unwrap();
        }
        writer.clear(2 * PAGE).unwrap();
        writer.clear(7 * PAGE).unwrap();
        writer.flush().unwrap();
        let mut expected = vec![0; 16 * 4096];
        expected[4096..2 * 4096].fill(9);
        expected[5 * 4096..6 * 4096].fill(5);
        let mut found = vec![0; expected.len()];
        to.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
        assert_eq!(seen.get(), 4 * PAGE);
    }
}
