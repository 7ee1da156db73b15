//! Reading history files: one twin's rows, or all of them.

use super::{
    ACCEPTED, COMMAND, EVENT_ID, INTERFACE, KIND, OFFSET, PARTITION, PAYLOAD, PAYLOAD_BYTES, SEQ,
    SOURCE, TIME, TWIN, failed,
};
use crate::{
    Error,
    history::{Kind, Row, blocks::Checked, file::HistoryFile},
};
use ::parquet::{
    column::reader::ColumnReader,
    data_type::ByteArray,
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        page_index::column_index::ColumnIndexMetaData,
        properties::ReaderProperties,
        reader::RowGroupReader,
        serialized_reader::SerializedRowGroupReader,
    },
};
use bytes::Bytes;
use gemelli_event::{Partition, Position, Seq};
use gemelli_model::{InterfaceId, TwinId};
use parking_lot::Mutex;
use std::{collections::VecDeque, ops::Range, path::Path, path::PathBuf, sync::Arc};

/// Parsed footers that are kept.
const FOOTERS: usize = 16;

/// Footers of the files that were read last.
#[derive(Default)]
pub(crate) struct Footers(Mutex<VecDeque<(PathBuf, Arc<ParquetMetaData>)>>);

impl Footers {
    /// The footer of a file, with its page index.
    pub fn get(&self, file: &HistoryFile) -> Result<Arc<ParquetMetaData>, Error> {
        let mut kept = self.0.lock();
        if let Some(at) = kept.iter().position(|(path, _)| *path == file.path)
            && let Some(entry) = kept.remove(at)
        {
            let footer = entry.1.clone();
            kept.push_back(entry);
            return Ok(footer);
        }
        drop(kept);
        let footer = Arc::new(footer_of(file)?);
        let mut kept = self.0.lock();
        if kept.len() >= FOOTERS {
            kept.pop_front();
        }
        kept.push_back((file.path.clone(), footer.clone()));
        Ok(footer)
    }
}

/// Reads the footer of a file, with its page index.
pub(in crate::history) fn footer_of(file: &HistoryFile) -> Result<ParquetMetaData, Error> {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader
        .parse_and_finish(&file.content)
        .map_err(|e| failed(&file.path, e))
}

/// One row group of a file, open for reading.
pub(in crate::history) struct Group<'a> {
    path: &'a Path,
    reader: SerializedRowGroupReader<'a, Checked>,
    footer: &'a ParquetMetaData,
    number: usize,
}

impl<'a> Group<'a> {
    pub fn open(
        file: &'a HistoryFile,
        footer: &'a ParquetMetaData,
        number: usize,
    ) -> Result<Self, Error> {
        let properties = Arc::new(ReaderProperties::builder().build());
        let index = footer.page_index_for_row_group(number);
        let content = Arc::new(file.content.clone());
        let reader =
            SerializedRowGroupReader::new(content, footer.row_group(number), index, properties);
        let reader = reader.map_err(|e| failed(&file.path, e))?;
        Ok(Self {
            path: &file.path,
            reader,
            footer,
            number,
        })
    }

    /// All of its rows.
    pub fn all(&self) -> Range<usize> {
        0..self.footer.row_group(self.number).num_rows() as usize
    }

    /// The rows of one twin.
    pub fn rows_of(&self, twin: &str) -> Result<Range<usize>, Error> {
        let pages = self.pages_of(twin);
        let names = self.texts(TWIN, pages.clone())?;
        let name = |value: &Option<ByteArray>, below: &dyn Fn(&[u8]) -> bool| {
            value.as_ref().is_some_and(|value| below(value.data()))
        };
        let from = names.partition_point(|value| name(value, &|v| v < twin.as_bytes()));
        let to = names.partition_point(|value| name(value, &|v| v <= twin.as_bytes()));
        Ok(pages.start + from..pages.start + to)
    }

    /// The rows of the pages that may hold a twin.
    fn pages_of(&self, twin: &str) -> Range<usize> {
        let all = self.all();
        let index = self.footer.page_index_for_row_group(self.number);
        let (Some(ColumnIndexMetaData::BYTE_ARRAY(bounds)), Some(places)) =
            (index.column_index(TWIN), index.page_locations(TWIN))
        else {
            return all;
        };
        let name = twin.as_bytes();
        let before = |page: &usize| bounds.max_value(*page).is_some_and(|max| max < name);
        let after = |page: &usize| bounds.min_value(*page).is_some_and(|min| min > name);
        let first = (0..places.len()).take_while(before).count();
        let next = first
            + (first..places.len())
                .take_while(|page| !after(page))
                .count();
        let row_of = |page: usize| {
            places
                .get(page)
                .map_or(all.end, |place| place.first_row_index as usize)
        };
        row_of(first)..row_of(next)
    }

    /// Place, time and kind of rows.
    pub fn heads(&self, rows: Range<usize>) -> Result<Vec<Head>, Error> {
        let seqs = self.numbers(SEQ, rows.clone())?;
        let times = self.numbers(TIME, rows.clone())?;
        let accepted = self.numbers(ACCEPTED, rows.clone())?;
        let kinds = self.texts(KIND, rows)?;
        let columns = seqs.into_iter().zip(times).zip(accepted).zip(kinds);
        let heads = columns.map(|(((seq, time_ms), accepted_ms), kind)| {
            let kind = kind.and_then(|kind| Kind::parse(std::str::from_utf8(kind.data()).ok()?));
            Some(Head {
                seq: seq? as Seq,
                time_ms,
                accepted_ms: accepted_ms?,
                kind: kind?,
            })
        });
        heads
            .collect::<Option<_>>()
            .ok_or_else(|| self.wrong("a column that is required has no value"))
    }

    /// Whole rows; `heads` are theirs.
    pub fn rows(&self, rows: Range<usize>, heads: &[Head]) -> Result<Vec<Row>, Error> {
        let mut twins = self.texts(TWIN, rows.clone())?.into_iter();
        let mut interfaces = self.texts(INTERFACE, rows.clone())?.into_iter();
        let mut commands = self.texts(COMMAND, rows.clone())?.into_iter();
        let mut ids = self.texts(EVENT_ID, rows.clone())?.into_iter();
        let mut sources = self.texts(SOURCE, rows.clone())?.into_iter();
        let mut partitions = self.numbers(PARTITION, rows.clone())?.into_iter();
        let mut offsets = self.numbers(OFFSET, rows.clone())?.into_iter();
        let mut payloads = self.texts(PAYLOAD, rows.clone())?.into_iter();
        let mut raw = self.texts(PAYLOAD_BYTES, rows)?.into_iter();
        let text = |value: Option<Option<ByteArray>>| -> Option<Arc<str>> {
            std::str::from_utf8(value.flatten()?.data())
                .ok()
                .map(Arc::from)
        };
        let mut read = |head: &Head| {
            let partition = u8::try_from(partitions.next()??)
                .ok()
                .and_then(Partition::new)?;
            let payload = [payloads.next().flatten(), raw.next().flatten()]
                .into_iter()
                .flatten()
                .next();
            Some(Row {
                seq: head.seq,
                position: Position {
                    partition,
                    offset: offsets.next()?? as u64,
                },
                twin: TwinId::new(text(twins.next())?),
                interface: text(interfaces.next()).map(InterfaceId::new),
                kind: head.kind,
                command: text(commands.next()),
                time_ms: head.time_ms,
                accepted_ms: head.accepted_ms,
                id: text(ids.next()),
                source: text(sources.next()),
                // A copy: a row that lives on must not hold its page in memory.
                payload: payload.map_or_else(Bytes::new, |p| Bytes::copy_from_slice(p.data())),
            })
        };
        let rows = heads.iter().map(&mut read).collect::<Option<_>>();
        rows.ok_or_else(|| self.wrong("a column that is required has no value"))
    }

    /// Calls `each` with interface and kind of every row.
    pub fn kinds(&self, mut each: impl FnMut(Option<&str>, Kind)) -> Result<(), Error> {
        let kinds = self.texts(KIND, self.all())?;
        let interfaces = self.texts(INTERFACE, self.all())?;
        for (kind, interface) in kinds.iter().zip(&interfaces) {
            let text = |value: &Option<ByteArray>| {
                value
                    .as_ref()
                    .and_then(|v| v.as_utf8().ok().map(String::from))
            };
            let kind = text(kind).and_then(|kind| Kind::parse(&kind));
            let kind = kind.ok_or_else(|| self.wrong("a kind is unknown"))?;
            each(text(interface).as_deref(), kind);
        }
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::DamagedHistory {
            file: self.path.into(),
            what: what.into(),
        }
    }

    fn numbers(&self, column: usize, rows: Range<usize>) -> Result<Vec<Option<i64>>, Error> {
        let read = || -> ParquetResult<Vec<Option<i64>>> {
            match self.reader.get_column_reader(column)? {
                ColumnReader::Int64ColumnReader(mut reader) => {
                    let (mut levels, mut values) = (Vec::new(), Vec::new());
                    reader.skip_records(rows.start)?;
                    reader.read_records(rows.len(), Some(&mut levels), None, &mut values)?;
                    Ok(spread(levels, values))
                }
                ColumnReader::Int32ColumnReader(mut reader) => {
                    let (mut levels, mut values) = (Vec::new(), Vec::new());
                    reader.skip_records(rows.start)?;
                    reader.read_records(rows.len(), Some(&mut levels), None, &mut values)?;
                    Ok(spread(levels, values.into_iter().map(i64::from).collect()))
                }
                _ => Err(ParquetError::General("a column is of another type".into())),
            }
        };
        self.exactly(read(), rows.len())
    }

    fn texts(&self, column: usize, rows: Range<usize>) -> Result<Vec<Option<ByteArray>>, Error> {
        let read = || -> ParquetResult<Vec<Option<ByteArray>>> {
            match self.reader.get_column_reader(column)? {
                ColumnReader::ByteArrayColumnReader(mut reader) => {
                    let (mut levels, mut values) = (Vec::new(), Vec::new());
                    reader.skip_records(rows.start)?;
                    reader.read_records(rows.len(), Some(&mut levels), None, &mut values)?;
                    Ok(spread(levels, values))
                }
                _ => Err(ParquetError::General("a column is of another type".into())),
            }
        };
        self.exactly(read(), rows.len())
    }

    fn exactly<T>(&self, read: ParquetResult<Vec<T>>, count: usize) -> Result<Vec<T>, Error> {
        match read {
            Ok(values) if values.len() == count => Ok(values),
            Ok(_) => Err(self.wrong("a column is shorter than the others")),
            Err(error) => Err(failed(self.path, error)),
        }
    }
}

/// Place, time and kind of a row.
#[derive(Clone, Copy, Debug)]
pub(in crate::history) struct Head {
    pub seq: Seq,
    pub time_ms: Option<i64>,
    pub accepted_ms: i64,
    pub kind: Kind,
}

/// Puts values where their levels say that there is one. A column without levels has a value everywhere.
fn spread<T>(levels: Vec<i16>, values: Vec<T>) -> Vec<Option<T>> {
    if levels.is_empty() {
        return values.into_iter().map(Some).collect();
    }
    let mut values = values.into_iter();
    levels
        .into_iter()
        .map(|level| if level > 0 { values.next() } else { None })
        .collect()
}
