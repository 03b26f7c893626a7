//! A guest's memory, or a disk, as a sparse file: reading what is not zero of it, and a digest that knows nothing of
//! how a file system keeps its holes.

use crate::store::ids::hex;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

pub const PAGE: u64 = 4096;
static ZERO: [u8; 4096] = [0; 4096];
/// Bytes read at a time.
const CHUNK: u64 = 1024 * 1024;
/// A file is digested in this many parts, so that as many processors can share the work.
const STRIPES: u64 = 16;

/// Shows every run of pages in `range` that the file system holds data for. Both its ends, and the file's size, are
/// multiples of a page.
///
/// # Errors
/// What the file system refused, or what `see` did.
pub fn each_run(file: &File, range: Range<u64>, mut see: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let signed = |offset: u64| i64::try_from(offset).map_err(io::Error::other);
    let mut buffer = vec![0; usize::try_from(CHUNK).map_err(io::Error::other)?];
    let mut at = range.start;
    while at < range.end {
        let data = match lseek(file, signed(at)?, Whence::SeekData) {
            Ok(data) => data.cast_unsigned() / PAGE * PAGE,
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let data = data.max(at);
        if data >= range.end {
            break;
        }
        let hole = lseek(file, signed(data)?, Whence::SeekHole)?.cast_unsigned();
        let end = hole.max(data + 1).next_multiple_of(PAGE).min(range.end);
        at = data;
        while at < end {
            let most = usize::try_from(CHUNK.min(end - at)).map_err(io::Error::other)?;
            file.read_exact_at(&mut buffer[..most], at)?;
            see(at, &buffer[..most])?;
            at += most as u64;
        }
    }
    Ok(())
}

/// Shows the pages of a run that are not all zero, each with its offset.
fn each_page(from: u64, run: &[u8], mut see: impl FnMut(u64, &[u8])) {
    for (offset, page) in (from..).step_by(ZERO.len()).zip(run.chunks_exact(ZERO.len())) {
        if page != ZERO {
            see(offset, page);
        }
    }
}

fn stripes(size: u64) -> Vec<Range<u64>> {
    let each = size.div_ceil(STRIPES).next_multiple_of(CHUNK);
    (0..STRIPES).map(|number| (number * each).min(size)..((number + 1) * each).min(size)).collect()
}

/// How bytes are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// For what is checked once and used by many.
    Sha256,
    /// IEEE 802.3's, for what is checked each time while somebody waits: it takes a tenth of the time, and finds what a
    /// failing disk does as well. Neither is there to stop an adversary, who would have to be root.
    Crc32,
}

enum Summing {
    Sha256(Box<Sha256>),
    Crc32(crc32fast::Hasher),
}

impl Summing {
    fn new(sum: Sum) -> Self {
        match sum {
            Sum::Sha256 => Self::Sha256(Box::default()),
            Sum::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Crc32(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => hex(&hash.finalize()),
            Self::Crc32(hash) => hex(&hash.finalize().to_be_bytes()),
        }
    }
}

/// The digests of a file's parts: a sum over offset (64 bits, little-endian) and bytes of every page that is not all
/// zero. Each page is also handed to `see`, on several threads at once.
///
/// # Errors
/// What the file system refused, or `see`; a size that is no multiple of a page.
pub fn digest(sum: Sum, file: &File, see: impl Fn(u64, &[u8]) -> io::Result<()> + Sync) -> io::Result<Vec<String>> {
    let size = file.metadata()?.len();
    if !size.is_multiple_of(PAGE) {
        return Err(io::Error::other("its size is no multiple of a page"));
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let stripes = stripes(size);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let Some(stripe) = stripes.get(number) else { return Ok(done) };
            done.push((number, digest_stripe(sum, file, stripe.clone(), &see)?));
        }
    };
    let outcomes: Vec<io::Result<Vec<(usize, String)>>> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        started.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))).collect()
    });
    let mut all: Vec<_> = outcomes.into_iter().collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect();
    all.sort();
    Ok(all.into_iter().map(|(_, digest)| digest).collect())
}

fn digest_stripe(
    sum: Sum,
    file: &File,
    stripe: Range<u64>,
    see: &impl Fn(u64, &[u8]) -> io::Result<()>,
) -> io::Result<String> {
    let mut hash = Summing::new(sum);
    each_run(file, stripe, |from, run| {
        // Pages in a row are handed on together.
        let mut row: Option<Range<u64>> = None;
        let mut rows = Vec::new();
        each_page(from, run, |offset, page| {
            hash.update(&offset.to_le_bytes());
            hash.update(page);
            match &mut row {
                Some(range) if range.end == offset => range.end += PAGE,
                _ => rows.extend(row.replace(offset..offset + PAGE)),
            }
        });
        for row in rows.into_iter().chain(row) {
            let within = |offset: u64| usize::try_from(offset - from).map_err(io::Error::other);
            see(row.start, &run[within(row.start)?..within(row.end)?])?;
        }
        Ok(())
    })?;
    Ok(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(size: u64, pages: &[(u64, u8)]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        for (number, byte) in pages {
            file.write_all_at(&[*byte; 4096], number * PAGE).unwrap();
        }
        file
    }

    fn of(file: &File) -> Vec<String> {
        let sums = [Sum::Sha256, Sum::Crc32].map(|sum| digest(sum, file, |_, _| Ok(())).unwrap());
        sums.concat()
    }

    #[test]
    fn holes_and_written_zeros_are_the_same() {
        assert_eq!(of(&file(4 << 20, &[(3, 7)])), of(&file(4 << 20, &[(3, 7), (9, 0), (500, 0)])));
        assert_eq!(of(&file(0, &[])).len(), 32);
    }

    proptest! {
        #[test]
        fn any_changed_page_changes_the_digest(at in 0u64..12_000, to in 0u64..12_000) {
            let size = 12_000 * PAGE;
            let one = of(&file(size, &[(at, 1)]));
            if at != to {
                prop_assert_ne!(&one, &of(&file(size, &[(to, 1)])));
            }
            prop_assert_ne!(&one, &of(&file(size, &[(at, 2)])));
            prop_assert_ne!(&one, &of(&file(size, &[])));
        }

        #[test]
        fn what_is_seen_makes_the_same_file(pages in proptest::collection::vec((0u64..5000, 0u8..3), 0..60)) {
            let from = file(5000 * PAGE, &pages);
            let to = file(5000 * PAGE, &[]);
            digest(Sum::Crc32, &from, |offset, bytes| to.write_all_at(bytes, offset)).unwrap();
            prop_assert_eq!(of(&from), of(&to));
        }
    }
}
