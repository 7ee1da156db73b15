//! Rows to columns and back: what both directions share.

mod read;
mod write;

pub(crate) use read::Footers;
pub(super) use read::{Group, Head, footer_of};
pub(super) use write::Writer;

use crate::Error;
use ::parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnPath,
};
use std::{io, path::Path};

/// Rows of a page: what reading one twin reads at least.
const PAGE_ROWS: usize = 1_024;

/// The columns, in the order of their numbers below.
const SCHEMA: &str = "
message history {
  REQUIRED BYTE_ARRAY twin (STRING);
  REQUIRED INT64 seq;
  OPTIONAL INT64 time (TIMESTAMP(MILLIS,true));
  REQUIRED INT64 accepted (TIMESTAMP(MILLIS,true));
  REQUIRED BYTE_ARRAY kind (STRING);
  OPTIONAL BYTE_ARRAY interface (STRING);
  OPTIONAL BYTE_ARRAY command (STRING);
  OPTIONAL BYTE_ARRAY event_id (STRING);
  OPTIONAL BYTE_ARRAY source (STRING);
  REQUIRED INT32 partition;
  REQUIRED INT64 offset;
  OPTIONAL BYTE_ARRAY payload (STRING);
  OPTIONAL BYTE_ARRAY payload_bytes;
}";

const TWIN: usize = 0;
const SEQ: usize = 1;
const TIME: usize = 2;
const ACCEPTED: usize = 3;
const KIND: usize = 4;
const INTERFACE: usize = 5;
const COMMAND: usize = 6;
const EVENT_ID: usize = 7;
const SOURCE: usize = 8;
const PARTITION: usize = 9;
const OFFSET: usize = 10;
const PAYLOAD: usize = 11;
/// Payloads that are not UTF-8.
const PAYLOAD_BYTES: usize = 12;

fn properties() -> WriterProperties {
    let sorted = |name: &str| ColumnPath::from(name);
    let mut builder = WriterProperties::builder()
        .set_created_by("gemelli".into())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_column_statistics_enabled(sorted("twin"), EnabledStatistics::Page);
    for name in ["payload", "payload_bytes"] {
        builder = builder
            .set_column_statistics_enabled(sorted(name), EnabledStatistics::None)
            .set_column_dictionary_enabled(sorted(name), false);
    }
    // Neighbours share prefixes: the twin's id, and the id of an event, which is made of it.
    for name in ["twin", "event_id"] {
        builder = builder
            .set_column_dictionary_enabled(sorted(name), false)
            .set_column_encoding(sorted(name), Encoding::DELTA_BYTE_ARRAY);
    }
    for name in ["seq", "time", "accepted", "offset"] {
        builder = builder
            .set_column_dictionary_enabled(sorted(name), false)
            .set_column_encoding(sorted(name), Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// What the parquet library says, about a file.
fn failed(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) if error.kind() != io::ErrorKind::InvalidData => {
                Error::io("access", path, *error)
            }
            Ok(error) => Error::DamagedHistory {
                file: path.into(),
                what: error.to_string(),
            },
            Err(other) => Error::DamagedHistory {
                file: path.into(),
                what: other.to_string(),
            },
        },
        other => Error::DamagedHistory {
            file: path.into(),
            what: other.to_string(),
        },
    }
}
