//! Rows to columns and back.

use super::{
    Kind, Row,
    blocks::Checked,
    file::{Checksums, HistoryFile, name_of},
};
use crate::{
    Error,
    disk::{Disk, DiskFile, write_file},
};
use ::parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    column::reader::ColumnReader,
    data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        page_index::column_index::ColumnIndexMetaData,
        properties::{EnabledStatistics, ReaderProperties, WriterProperties},
        reader::RowGroupReader,
        serialized_reader::SerializedRowGroupReader,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::{parser::parse_message_type, types::ColumnPath},
};
use bytes::Bytes;
use gemelli_event::{Partition, Position, Seq};
use gemelli_model::{InterfaceId, TwinId};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows of a page: what reading one twin reads at least.
const PAGE_ROWS: usize = 1_024;

/// Parsed footers that are kept.
const FOOTERS: usize = 16;

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

/// Writes to a file, counting checksums.
struct Sink {
    file: Arc<dyn DiskFile>,
    place: u64,
    checksums: Checksums,
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(&[bytes], self.place)?;
        self.checksums.add(bytes);
        self.place += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one history file.
pub(super) struct Writer {
    dir: PathBuf,
    temporary: PathBuf,
    first: Seq,
    next: Seq,
    writer: SerializedFileWriter<Sink>,
    rows: u64,
    times: (i64, i64),
}

impl Writer {
    pub fn create(disk: &dyn Disk, dir: &Path, first: Seq, next: Seq) -> Result<Self, Error> {
        let temporary = dir.join(format!("{}.tmp", name_of(first, next)));
        let file = disk
            .create(&temporary)
            .map_err(|e| Error::io("create", &temporary, e))?;
        let sink = Sink {
            file,
            place: 0,
            checksums: Checksums::default(),
        };
        let wrong = |e| failed(&temporary, e);
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(wrong)?);
        let writer =
            SerializedFileWriter::new(sink, schema, Arc::new(properties())).map_err(wrong)?;
        let times = (i64::MAX, i64::MIN);
        Ok(Self {
            dir: dir.into(),
            temporary,
            first,
            next,
            writer,
            rows: 0,
            times,
        })
    }

    /// Writes rows as one row group; they follow those before in the log.
    pub fn slice(&mut self, rows: &mut Vec<Row>) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable_by(|a, b| (a.twin.as_str(), a.seq).cmp(&(b.twin.as_str(), b.seq)));
        for row in rows.iter() {
            self.times.0 = self.times.0.min(row.when_ms());
            self.times.1 = self.times.1.max(row.when_ms());
        }
        self.rows += rows.len() as u64;
        let group = self
            .writer
            .next_row_group()
            .map_err(|e| failed(&self.temporary, e))?;
        write_group(group, rows).map_err(|e| failed(&self.temporary, e))?;
        rows.clear();
        Ok(())
    }

    /// Syncs the file and gives it its name.
    pub fn finish(self, disk: &dyn Disk) -> Result<HistoryFile, Error> {
        let Self {
            dir,
            temporary,
            first,
            next,
            writer,
            rows,
            times,
        } = self;
        let sink = writer.into_inner().map_err(|e| failed(&temporary, e))?;
        sink.file
            .sync()
            .map_err(|e| Error::io("sync", &temporary, e))?;
        let path = dir.join(name_of(first, next));
        let checksums = path.with_extension("crc");
        let name = checksums
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        write_file(disk, &dir, name, &sink.checksums.encode(rows, times))
            .map_err(|e| Error::io("write", &checksums, e))?;
        disk.rename(&temporary, &path)
            .map_err(|e| Error::io("rename", &temporary, e))?;
        disk.sync_dir(&dir)
            .map_err(|e| Error::io("sync", &dir, e))?;
        HistoryFile::open(disk, path, first, next)
    }
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

fn write_group(mut group: SerializedRowGroupWriter<'_, Sink>, rows: &[Row]) -> ParquetResult<()> {
    let text = |text: &str| ByteArray::from(text);
    texts(&mut group, rows, |row| text(row.twin.as_str()))?;
    numbers(&mut group, rows, |row| row.seq as i64)?;
    optional::<Int64Type>(&mut group, rows, |row| row.time_ms)?;
    numbers(&mut group, rows, |row| row.accepted_ms)?;
    texts(&mut group, rows, |row| text(row.kind.as_str()))?;
    optional::<ByteArrayType>(&mut group, rows, |row| {
        row.interface.as_ref().map(|i| text(i.as_str()))
    })?;
    optional::<ByteArrayType>(&mut group, rows, |row| row.command.as_deref().map(text))?;
    optional::<ByteArrayType>(&mut group, rows, |row| row.id.as_deref().map(text))?;
    optional::<ByteArrayType>(&mut group, rows, |row| row.source.as_deref().map(text))?;
    let partitions: Vec<i32> = rows
        .iter()
        .map(|row| row.position.partition.number().into())
        .collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<Int32Type>()
            .write_batch(&partitions, None, None)?;
        column.close()?;
    }
    numbers(&mut group, rows, |row| row.position.offset as i64)?;
    let is_text = |row: &Row| std::str::from_utf8(&row.payload).is_ok();
    let payload = |row: &Row| Some(ByteArray::from(row.payload.clone()));
    optional::<ByteArrayType>(&mut group, rows, |row| {
        payload(row).filter(|_| is_text(row))
    })?;
    optional::<ByteArrayType>(&mut group, rows, |row| {
        payload(row).filter(|_| !is_text(row))
    })?;
    group.close().map(drop)
}

fn texts(
    group: &mut SerializedRowGroupWriter<'_, Sink>,
    rows: &[Row],
    value: impl Fn(&Row) -> ByteArray,
) -> ParquetResult<()> {
    let values: Vec<ByteArray> = rows.iter().map(value).collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn numbers(
    group: &mut SerializedRowGroupWriter<'_, Sink>,
    rows: &[Row],
    value: impl Fn(&Row) -> i64,
) -> ParquetResult<()> {
    let values: Vec<i64> = rows.iter().map(value).collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<Int64Type>()
            .write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn optional<T: ::parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, Sink>,
    rows: &[Row],
    value: impl Fn(&Row) -> Option<T::T>,
) -> ParquetResult<()> {
    let all: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = all.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = all.into_iter().flatten().collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<T>()
            .write_batch(&values, Some(&levels), None)?;
        column.close()?;
    }
    Ok(())
}

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
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let footer = reader
            .parse_and_finish(&file.content)
            .map_err(|e| failed(&file.path, e))?;
        let footer = Arc::new(footer);
        let mut kept = self.0.lock();
        if kept.len() >= FOOTERS {
            kept.pop_front();
        }
        kept.push_back((file.path.clone(), footer.clone()));
        Ok(footer)
    }
}

/// One row group of a file, open for reading.
pub(super) struct Group<'a> {
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
pub(super) struct Head {
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
