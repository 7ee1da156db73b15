//! The rows of a CSV file, plain or gzip, read one by one.

use super::{
    Error, Map, SKIPPED,
    map::{self, Template},
};
use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use gemelli_model::time::parse_ms;
use serde_json::{Map as Object, Value as Json};
use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1F, 0x8B];
/// Bytes read at once.
const READ_BYTES: usize = 1 << 16;

/// A row that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its topic.
    pub topic: String,
    /// Its time, milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// Its event id.
    pub event_id: Option<String>,
    /// Its members.
    pub payload: Json,
}

/// A row that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// A file being read.
pub struct Rows {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    read: Arc<AtomicU64>,
    bytes: u64,
    topic: Template,
    event_id: Option<Template>,
    time: Option<usize>,
    members: Vec<(String, usize)>,
    columns: usize,
    record: StringRecord,
    skipped: u64,
    examples: Vec<Skipped>,
}

impl Rows {
    /// Opens a file and checks the map against its header.
    pub fn open(path: &Path, map: &Map) -> Result<Self, Error> {
        let failed = |source| Error::File {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            file,
            read: read.clone(),
        };
        let mut plain = BufReader::with_capacity(READ_BYTES, counted);
        let source: Box<dyn Read> = match plain.fill_buf().map_err(failed)?.starts_with(&GZIP) {
            true => Box::new(MultiGzDecoder::new(plain)),
            false => Box::new(plain),
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
        let header = reader
            .headers()
            .map_err(|error| failed(io::Error::other(error)))?
            .clone();
        let template = |what, text: &str| Template::new(what, text, &header);
        let place = |what, name: &str| map::column(what, name, &header);
        let mut members = Vec::new();
        for (member, name) in &map.members {
            members.push((member.clone(), place("members", name)?));
        }
        if members.is_empty() {
            members = header
                .iter()
                .enumerate()
                .map(|(at, name)| (name.to_owned(), at))
                .collect();
        }
        Ok(Self {
            path: path.into(),
            read,
            bytes,
            topic: template("topic", &map.topic)?,
            event_id: map
                .event_id
                .as_deref()
                .map(|text| template("eventId", text))
                .transpose()?,
            time: map
                .time
                .as_deref()
                .map(|name| place("time", name))
                .transpose()?,
            members,
            columns: header.len(),
            reader,
            record: StringRecord::new(),
            skipped: 0,
            examples: Vec::new(),
        })
    }

    /// Bytes of the file, as it lies on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of it that were read.
    pub fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Rows that could not be used so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The first of them, at most [`SKIPPED`].
    pub fn examples(&self) -> Vec<Skipped> {
        self.examples.clone()
    }

    /// The next row that can be sent; none at the end of the file.
    pub fn next_row(&mut self) -> Result<Option<Row>, Error> {
        loop {
            match self.reader.read_record(&mut self.record) {
                Ok(false) => return Ok(None),
                Ok(true) => match self.row() {
                    Ok(row) => return Ok(Some(row)),
                    Err(reason) => self.skip(reason),
                },
                Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                    return Err(Error::File {
                        path: self.path.clone(),
                        source: io::Error::other(error),
                    });
                }
                Err(error) => self.skip(error.to_string()),
            }
        }
    }

    fn skip(&mut self, reason: String) {
        self.skipped += 1;
        if self.examples.len() < SKIPPED {
            self.examples.push(Skipped {
                line: self.line(),
                reason,
            });
        }
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn row(&self) -> Result<Row, String> {
        let columns = self.record.len();
        let expected = self.columns;
        if columns != expected {
            return Err(format!("{columns} cells where the header has {expected}"));
        }
        let topic = self
            .topic
            .fill(&self.record, true)
            .ok_or("a cell that the topic needs is empty")?;
        let time_ms = match self.time.and_then(|at| self.record.get(at)) {
            None => None,
            Some(text) => {
                Some(parse_ms(text).ok_or_else(|| format!("{text:?} is no RFC 3339 time"))?)
            }
        };
        let event_id = match &self.event_id {
            None => None,
            Some(template) => Some(
                template
                    .fill(&self.record, false)
                    .ok_or("a cell that the event id needs is empty")?,
            ),
        };
        let cells = self
            .members
            .iter()
            .filter_map(|(member, at)| Some((member, self.record.get(*at)?)));
        let payload: Object<String, Json> = cells
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(member, cell)| (member.clone(), value(cell)))
            .collect();
        Ok(Row {
            line: self.line(),
            topic,
            time_ms,
            event_id,
            payload: Json::Object(payload),
        })
    }
}

/// A number where the cell reads as one in JSON's spelling, a text otherwise.
fn value(cell: &str) -> Json {
    match serde_json::from_str(cell) {
        Ok(Json::Number(number)) => Json::Number(number),
        _ => Json::String(cell.into()),
    }
}

/// A file that counts what is read from it.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;
    use std::io::Write;

    const TEXT: &str = "time,station,pm,wind\n\
        2016-03-01T00:00:00+08:00,A,63,N\n\
        2016-03-01T01:00:00+08:00,B,,\n\
        soon,A,1,N\n\
        2016-03-01T02:00:00+08:00,A,1\n\
        2016-03-01T02:00:00+08:00,,1,N\n\
        2016-03-01T03:00:00+08:00,A,1.50,NaN\n";

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("gemelli-rows-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(path: &Path) -> (Vec<Row>, Rows) {
        let map = Map {
            topic: "x/{station}".into(),
            time: Some("time".into()),
            event_id: Some("{station}#{time}".into()),
            ..Map::default()
        };
        let mut rows = Rows::open(path, &map).unwrap();
        let read = std::iter::from_fn(|| rows.next_row().unwrap()).collect();
        (read, rows)
    }

    #[test]
    fn rows_become_objects_and_bad_ones_are_named() {
        let path = file("plain.csv", TEXT.as_bytes());
        let (found, rows) = read(&path);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].topic, "x/A");
        assert_eq!(found[0].time_ms, Some(1_456_761_600_000));
        assert_eq!(
            found[0].payload,
            json!({"time": "2016-03-01T00:00:00+08:00", "station": "A", "pm": 63, "wind": "N"})
        );
        assert_eq!(
            found[1].payload,
            json!({"time": "2016-03-01T01:00:00+08:00", "station": "B"})
        );
        assert_eq!(found[2].payload["pm"], 1.5);
        assert_eq!(found[2].payload["wind"], "NaN");
        assert_eq!(
            found[2].event_id.as_deref(),
            Some("A#2016-03-01T03:00:00+08:00")
        );
        let examples: Vec<String> = rows.examples().iter().map(Skipped::to_string).collect();
        assert_eq!(
            examples,
            [
                "line 4: \"soon\" is no RFC 3339 time",
                "line 5: 3 cells where the header has 4",
                "line 6: a cell that the topic needs is empty"
            ]
        );
        assert_eq!((rows.skipped(), rows.position()), (3, rows.bytes()));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn gzip_reads_the_same() {
        let plain = file("same.csv", TEXT.as_bytes());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(TEXT.as_bytes()).unwrap();
        let packed = file("same.csv.gz", &encoder.finish().unwrap());
        assert_eq!(read(&plain).0, read(&packed).0);
        std::fs::remove_file(plain).unwrap();
        std::fs::remove_file(packed).unwrap();
    }

    #[test]
    fn only_the_first_bad_rows_are_kept() {
        let text = format!("time,station\n{}", "x,y\n".repeat(SKIPPED + 5));
        let path = file("bad.csv", text.as_bytes());
        let mut rows = Rows::open(&path, &Map::of("{station}", Some("time".into()))).unwrap();
        assert_eq!(rows.next_row().unwrap(), None);
        assert_eq!(
            (rows.skipped(), rows.examples().len()),
            (SKIPPED as u64 + 5, SKIPPED)
        );
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_missing_file_is_named() {
        let Err(error) = Rows::open(Path::new("/nowhere/x.csv"), &Map::of("x", None)) else {
            return;
        };
        assert!(error.to_string().starts_with("/nowhere/x.csv: "), "{error}");
    }
}
