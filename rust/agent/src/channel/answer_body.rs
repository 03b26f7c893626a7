//! Bodies of answers. hyper asks a body for its next piece only when the stream's window has room, so a body that
//! makes its pieces on demand never runs ahead of its reader by more than that window.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Why a body broke off; the stream is reset.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a body's pieces.
pub trait Pieces {
    /// The next piece, `None` at the end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;
}

pub enum AnswerBody {
    Whole(Option<Bytes>),
    Pieces(Box<dyn Pieces>),
}

impl AnswerBody {
    pub fn empty() -> Self {
        AnswerBody::Whole(None)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            AnswerBody::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            AnswerBody::Pieces(pieces) => {
                pieces.poll_piece(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            AnswerBody::Pieces(_) => SizeHint::default(),
        }
    }
}
