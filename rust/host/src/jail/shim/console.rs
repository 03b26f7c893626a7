//! The newest of what a guest printed.

use std::collections::VecDeque;

/// As much as QEMU's ring buffer, in bytes.
const MOST: usize = 64 * 1024;

#[derive(Default)]
pub struct Console(VecDeque<u8>);

impl Console {
    pub fn add(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(MOST)..];
        let above = (self.0.len() + bytes.len()).saturating_sub(MOST);
        self.0.drain(..above);
        self.0.extend(bytes);
    }

    pub fn tail(&self) -> Vec<u8> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest() {
        let mut console = Console::default();
        console.add(b"first");
        console.add(&vec![b'x'; MOST - 2]);
        assert_eq!(console.tail().len(), MOST);
        assert!(console.tail().starts_with(b"stx"));
        console.add(&[vec![b'y'; MOST], b"last".to_vec()].concat());
        assert_eq!(console.tail().len(), MOST);
        assert!(console.tail().ends_with(b"ylast"));
    }
}
