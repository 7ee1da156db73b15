//! Writing a history file.

use super::{SCHEMA, failed, properties};
use crate::{
    Error,
    disk::{Disk, DiskFile, write_file},
    history::{
        Row,
        file::{Checksums, HistoryFile, name_of, remove},
    },
};
use ::parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::Result as ParquetResult,
    file::writer::{SerializedFileWriter, SerializedRowGroupWriter},
    schema::parser::parse_message_type,
};
use gemelli_event::Seq;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

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
pub(in crate::history) struct Writer {
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

    /// Removes what was written.
    pub fn give_up(self, disk: &dyn Disk) -> Result<(), Error> {
        disk.remove(&self.temporary)
            .map_err(|e| Error::io("remove", &self.temporary, e))
    }

    /// Syncs the file and gives it its name. If that fails, the file is removed, as far as the disk obeys.
    pub fn finish(self, disk: &dyn Disk) -> Result<HistoryFile, Error> {
        let (dir, temporary) = (self.dir.clone(), self.temporary.clone());
        let path = dir.join(name_of(self.first, self.next));
        self.publish(disk, &path).inspect_err(|_| {
            // The first error is the one to tell; what these leave is removed at the next start.
            let _ = disk.remove(&temporary);
            let _ = remove(disk, &dir, &[(path.clone(), path.with_extension("crc"))]);
        })
    }

    fn publish(self, disk: &dyn Disk, path: &Path) -> Result<HistoryFile, Error> {
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
        let checksums = path.with_extension("crc");
        let name = checksums
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        write_file(disk, &dir, name, &sink.checksums.encode(rows, times))
            .map_err(|e| Error::io("write", &checksums, e))?;
        disk.rename(&temporary, path)
            .map_err(|e| Error::io("rename", &temporary, e))?;
        disk.sync_dir(&dir)
            .map_err(|e| Error::io("sync", &dir, e))?;
        HistoryFile::open(disk, path.into(), first, next)
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

fn optional<T: DataType>(
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
