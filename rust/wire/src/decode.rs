//! The incremental frame decoder. Its memory is bounded by one frame and the piece last pushed, whatever it is fed.

use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::FrameError;
use crate::frame::{Frame, HEADER_LEN, MAX_PAYLOAD};

/// Cuts frames out of pieces of any size. After an error it stays in error.
pub struct Decoder<F> {
    buffer: BytesMut,
    failed: Option<FrameError>,
    frames: PhantomData<F>,
}

impl<F: Frame> Default for Decoder<F> {
    fn default() -> Self {
        Decoder { buffer: BytesMut::new(), failed: None, frames: PhantomData }
    }
}

impl<F: Frame> Decoder<F> {
    /// Adds bytes. Call [`Decoder::next_frame`] until it answers `None` before the next piece, which keeps the buffer
    /// below one frame plus one piece.
    pub fn push(&mut self, piece: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(piece);
        }
    }

    /// The next whole frame, `None` when more bytes are needed. A bad header fails before its payload arrives.
    pub fn next_frame(&mut self) -> Option<Result<F, FrameError>> {
        if let Some(error) = self.failed {
            return Some(Err(error));
        }
        match self.cut() {
            Ok(Some((kind, payload))) => Some(F::parse(kind, payload).map_err(|error| self.fail(error))),
            Ok(None) => None,
            Err(error) => Some(Err(self.fail(error))),
        }
    }

    /// Bytes held: below [`MAX_PAYLOAD`] + [`HEADER_LEN`] once `next_frame` has answered `None`.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn cut(&mut self) -> Result<Option<(u8, Bytes)>, FrameError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let kind = self.buffer[0];
        if self.buffer.len() < HEADER_LEN {
            return Ok(None);
        }
        let length = u32::from_be_bytes([self.buffer[1], self.buffer[2], self.buffer[3], self.buffer[4]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(FrameError::BadLength);
        }
        F::accepts(kind, length)?;
        if self.buffer.len() < HEADER_LEN + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_LEN);
        Ok(Some((kind, self.buffer.split_to(length).freeze())))
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.failed = Some(error);
        self.buffer = BytesMut::new();
        error
    }
}
