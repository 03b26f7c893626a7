//! What a terminal has printed, who reads it, and how it ended.

use microterm_wire::Ended;

use crate::terminal::backpressure::Readers;
use crate::terminal::ring::Ring;

pub struct Output {
    pub ring: Ring,
    pub readers: Readers,
    pub ended: Option<Ended>,
    /// The terminal was deleted: readers stop without an EXIT.
    pub removed: bool,
}
