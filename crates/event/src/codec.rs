//! Records as bytes: the body of a frame of the log.
//!
//! A frame body is the byte [`VERSION`] and then records, one after the other, without padding:
//!
//! ```text
//! record   = head partition offset accepted [cause] body
//! head     = kind (low 4 bits) | 16 if there is a cause
//! partition= one byte                      offset, cause = varint
//! accepted = zigzag varint, milliseconds after the frame's base time
//! text     = varint (length << 1), UTF-8   | varint (place << 1 | 1)
//! ```
//!
//! A text that stood in the frame before is its *place*: where its first occurrence starts, counted from the
//! start of the body. So any record can be read alone, given the bytes of its frame ([`Decoder::seek`]).
//! Fields that may be absent have a bit in the body's flags. An event id that starts with its source (or twin)
//! and `#` leaves that out. Commands of the API are JSON, because they are rare and must be readable in ten years.
//!
//! Promises: what [`Encoder::push`] accepts, [`Decoder`] gives back equal; bytes of every version ever released
//! stay readable (samples under `tests/samples`); hostile bytes give [`Damaged`], never a panic, and no more
//! memory than a small multiple of the input. Does not checksum: the frame does.

mod decode;
mod encode;

pub use decode::{Damaged, Decoder};
pub use encode::{Encoder, TooDeep};

/// The version of the format, first byte of a frame body.
pub const VERSION: u8 = 1;

/// How deep values may nest. Far above what parsers of JSON let in (128), so that nothing that came in over the
/// network, nor what is made of it, is refused here.
pub const MAX_DEPTH: usize = 256;

/// The JSON of a command that nests deeper than this could not be parsed again: its text is left empty, and the
/// same object follows as a value.
const JSON_DEPTH: usize = 120;

/// Texts longer than this are never referred to: it bounds what a short reference can stand for.
const REFERABLE_BYTES: usize = 255;

/// Set in the head of a record that has a cause.
const HAS_CAUSE: u8 = 16;

/// The kinds of bodies, by their number in the head.
mod kind {
    pub const EVENT: u8 = 1;
    pub const MESSAGE: u8 = 2;
    pub const COMMAND: u8 = 3;
    pub const PRESENCE: u8 = 4;
    pub const TIMER: u8 = 5;
    pub const CONTRIBUTION: u8 = 6;
    pub const DERIVED: u8 = 7;
    pub const DEAD_LETTER: u8 = 8;
    pub const SESSION: u8 = 9;
}

/// Flags of an event; the lowest two bits are its category.
mod event_flag {
    pub const CATEGORY: u8 = 3;
    pub const COMMAND: u8 = 4;
    pub const SENDER: u8 = 8;
    pub const SOURCE: u8 = 16;
    pub const ID: u8 = 32;
    /// The id starts with the source, or the twin if there is none, and `#`.
    pub const ID_OF_SOURCE: u8 = 64;
    pub const TIME: u8 = 128;
}

/// Flags of a message; the lowest two bits are its quality of service.
mod message_flag {
    pub const QOS: u8 = 3;
    pub const PROPERTIES: u8 = 4;
    pub const EXPIRES: u8 = 8;
}

/// The kinds of values.
mod value_tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT: u8 = 3;
    pub const DOUBLE: u8 = 4;
    pub const TEXT: u8 = 5;
    pub const ARRAY: u8 = 6;
    pub const OBJECT: u8 = 7;
}
