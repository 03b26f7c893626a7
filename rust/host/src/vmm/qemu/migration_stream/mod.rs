//! QEMU's migration stream (migration/savevm.c and migration/ram.c of QEMU, stream version 3), taken apart while it is
//! written: pages of the guest's memory go to a file that can be mapped, and what is left is a stream that QEMU loads
//! on top of that mapping, as it would load one that was saved with `x-ignore-shared`.
//!
//! The VMM that writes it is hostile. All it can achieve here is a refusal, or a memory and state that are its own.

use std::io::{self, BufRead, Read};

/// The memory backend's id, and so its block's name in the stream.
pub const BLOCK: &[u8] = b"ram";
/// Most bytes of the stream that is left: device state is a few tens of kilobytes, firmware some hundred.
const MOST: usize = 64 << 20;
const PAGE: usize = 4096;
/// Most blocks in the list of them.
const MOST_BLOCKS: usize = 256;

mod section {
    pub const START: u8 = 0x01;
    pub const PART: u8 = 0x02;
    pub const END: u8 = 0x03;
    pub const SUBSECTION: u8 = 0x05;
    pub const CONFIGURATION: u8 = 0x07;
    pub const COMMAND: u8 = 0x08;
    pub const FOOTER: u8 = 0x7e;
}

mod flag {
    pub const ZERO: u64 = 0x02;
    pub const BLOCKS: u64 = 0x04;
    pub const PAGE: u64 = 0x08;
    pub const END: u64 = 0x10;
    pub const CONTINUE: u64 = 0x20;
}

/// Where pages of the guest's memory go.
pub trait Pages {
    /// # Errors
    /// Ends the taking apart.
    fn page(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// # Errors
    /// Ends the taking apart.
    fn zero(&mut self, offset: u64) -> io::Result<()>;
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("QEMU's stream: {}", what.into()))
}

struct Splitter<'a, R, P> {
    from: R,
    pages: &'a mut P,
    /// Size of the guest's memory, in bytes.
    size: u64,
    left: Vec<u8>,
    /// Number of the section that holds memory.
    section: Option<u32>,
    /// Whether the page before was one of the guest's memory.
    in_memory: bool,
    /// Pages that may still come: a guest that is stopped has each sent once.
    allowed: u64,
}

/// Takes a whole stream apart. Answers with what is left of it.
///
/// # Errors
/// What the reader or the pages refused, or `InvalidData` for a stream that is not understood.
pub fn split(from: impl BufRead, size: u64, pages: &mut impl Pages) -> io::Result<Vec<u8>> {
    let allowed = 2 * (size / PAGE as u64) + (MOST / PAGE) as u64;
    let mut splitter = Splitter { from, pages, size, left: Vec::new(), section: None, in_memory: false, allowed };
    splitter.run()?;
    Ok(splitter.left)
}

impl<R: BufRead, P: Pages> Splitter<'_, R, P> {
    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.left.len() + bytes.len() > MOST {
            return Err(wrong(format!("more than {} MiB besides the guest's memory", MOST >> 20)));
        }
        self.left.extend_from_slice(bytes);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads bytes that stay in the stream.
    fn pass<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = self.take()?;
        self.keep(&bytes)?;
        Ok(bytes)
    }

    fn pass_many(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes)?;
        self.keep(&bytes)?;
        Ok(bytes)
    }

    fn pass_name(&mut self) -> io::Result<Vec<u8>> {
        let [length] = self.pass()?;
        self.pass_many(length.into())
    }

    fn run(&mut self) -> io::Result<()> {
        if self.pass()? != *b"QEVM" || u32::from_be_bytes(self.pass()?) != 3 {
            return Err(wrong("it does not begin as one"));
        }
        loop {
            match self.pass()? {
                [section::CONFIGURATION] => self.configuration()?,
                [section::COMMAND] => {
                    self.pass::<2>()?;
                    let length = u16::from_be_bytes(self.pass()?);
                    self.pass_many(length.into())?;
                }
                [section::START] => self.start()?,
                [kind @ (section::PART | section::END)] => {
                    if Some(u32::from_be_bytes(self.pass()?)) != self.section {
                        return Err(wrong("a part of an unknown section"));
                    }
                    self.memory()?;
                    if kind == section::END {
                        return self.rest();
                    }
                }
                [other] => return Err(wrong(format!("section type {other:#04x} before the end of memory"))),
            }
        }
    }

    /// Name of the machine type, and what was switched on at the source, which QEMU compares at the other end.
    fn configuration(&mut self) -> io::Result<()> {
        let length = u32::from_be_bytes(self.pass()?);
        if length > 256 {
            return Err(wrong("a machine type with a long name"));
        }
        self.pass_many(length as usize)?;
        while self.from.fill_buf()?.first() == Some(&section::SUBSECTION) {
            self.pass::<1>()?;
            let name = self.pass_name()?;
            self.pass::<4>()?;
            if name != b"configuration/capabilities" {
                return Err(wrong(format!("{} is not known", String::from_utf8_lossy(&name))));
            }
            let count = u32::from_be_bytes(self.pass()?);
            for _ in 0..count.min(256) {
                self.pass_name()?;
            }
        }
        Ok(())
    }

    fn start(&mut self) -> io::Result<()> {
        let number = u32::from_be_bytes(self.pass()?);
        let name = self.pass_name()?;
        self.pass::<8>()?;
        if name != BLOCK || self.section.is_some() {
            return Err(wrong(format!("{} is saved in parts", String::from_utf8_lossy(&name))));
        }
        self.section = Some(number);
        self.memory()
    }

    /// A run of pages, up to its end mark and the section's footer.
    fn memory(&mut self) -> io::Result<()> {
        loop {
            let word = u64::from_be_bytes(self.take()?);
            let (offset, flags) = (word / PAGE as u64 * PAGE as u64, word % PAGE as u64);
            match flags & !flag::CONTINUE {
                flag::BLOCKS => {
                    self.keep(&word.to_be_bytes())?;
                    self.blocks(offset)?;
                }
                flag::END => {
                    self.keep(&word.to_be_bytes())?;
                    let [mark] = self.pass()?;
                    let number = u32::from_be_bytes(self.pass()?);
                    return if mark == section::FOOTER && Some(number) == self.section {
                        Ok(())
                    } else {
                        Err(wrong("a section does not end as it should"))
                    };
                }
                kind @ (flag::PAGE | flag::ZERO) => self.page(word, offset, kind)?,
                other => return Err(wrong(format!("flags {other:#x} of a page"))),
            }
        }
    }

    fn blocks(&mut self, mut total: u64) -> io::Result<()> {
        for _ in 0..MOST_BLOCKS {
            if total == 0 {
                return Ok(());
            }
            let name = self.pass_name()?;
            let length = u64::from_be_bytes(self.pass()?);
            // Its address, which is there because of `x-ignore-shared`.
            self.pass::<8>()?;
            if name == BLOCK && length != self.size {
                return Err(wrong(format!("{length} bytes of memory instead of {}", self.size)));
            }
            total = total.checked_sub(length).ok_or_else(|| wrong("blocks larger than their sum"))?;
        }
        Err(wrong("too many blocks"))
    }

    fn page(&mut self, word: u64, offset: u64, kind: u64) -> io::Result<()> {
        self.allowed = self.allowed.checked_sub(1).ok_or_else(|| wrong("too many pages"))?;
        let mut name = Vec::new();
        if word & flag::CONTINUE == 0 {
            let [length] = self.take()?;
            name.push(length);
            name.resize(1 + usize::from(length), 0);
            self.from.read_exact(&mut name[1..])?;
            self.in_memory = name[1..] == *BLOCK;
        }
        let mut bytes = [0; PAGE];
        let bytes = if kind == flag::PAGE { &mut bytes[..] } else { &mut bytes[..1] };
        self.from.read_exact(bytes)?;
        if !self.in_memory {
            // The firmware's blocks stay. The first page after one of the guest's bears its block's name, so the flag
            // that stands for "as before" stays true.
            self.keep(&word.to_be_bytes())?;
            self.keep(&name)?;
            return self.keep(bytes);
        }
        if offset >= self.size {
            return Err(wrong("a page beyond the guest's memory"));
        }
        match (kind, bytes) {
            (flag::PAGE, bytes) => self.pages.page(offset, bytes),
            (_, [0]) => self.pages.zero(offset),
            (_, bytes) => self.pages.page(offset, &[bytes[0]; PAGE]),
        }
    }

    /// Device state, which nobody but QEMU can take apart.
    fn rest(&mut self) -> io::Result<()> {
        let room = MOST - self.left.len();
        let read = self.from.by_ref().take(room as u64 + 1).read_to_end(&mut self.left)?;
        if read > room { self.keep(&[0]) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
