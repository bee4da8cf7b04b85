//! The rows of a Parquet file as events: flow logs are delivered so.
//!
//! A row becomes a JSON object whose members are the columns, so that one mapping reads the text form and the Parquet form
//! of a log, and what goes into quarantine can be read by anyone. Rows come in batches, so that memory does not grow with
//! the file; the file itself must be at hand as a whole, since its table of contents is at its end.
//!
//! | Parquet | JSON |
//! |---|---|
//! | integers, decimals | number, all digits |
//! | FLOAT, DOUBLE, FLOAT16 | number; `"NaN"`, `"Infinity"` and `"-Infinity"` as text |
//! | BOOLEAN | boolean |
//! | STRING, ENUM, JSON | text |
//! | BYTE_ARRAY and FIXED_LEN_BYTE_ARRAY without a meaning | text if it is UTF-8, else base64 |
//! | UUID | text |
//! | DATE, TIME, TIMESTAMP, INT96 | ISO 8601 text; with `Z` if it is adjusted to UTC |
//! | LIST, repeated fields | array |
//! | MAP | object; an array of `{"key", "value"}` where a key is there twice |
//! | groups | object |
//! | null | null |

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use bytes::Bytes;
use jiff::{SignedDuration, Span, civil};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::file::reader::ChunkReader;
use parquet::schema::types::SchemaDescriptor;
use rustc_hash::FxHashSet;

use crate::compression::{ExpansionLimits, InputError};
use crate::cursor::Cursor;
use crate::document::write_json_string;
use crate::found::{Found, Halt};
use crate::item::FrameError;
use crate::window::Window;

/// Largest file that is held in memory; a larger one goes to a temporary file.
const HELD_BYTES: usize = 64 << 20;

/// Rows that are decoded at a time, at most, and about how many bytes of them.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: i64 = 4 << 20;

/// The rows of a Parquet file: it is gathered from the window, then read row by row; if it cannot be read, its bytes are
/// given out.
pub(crate) struct ParquetRows {
    state: State,
    /// Largest file that is held in memory.
    held: usize,
    /// The JSON of the last row.
    text: String,
    /// The bytes of `text` that were given out as parts of a row that is too long; all, if it is not.
    given: usize,
    /// Bytes of all rows so far.
    written: u64,
    /// The last piece of a file that cannot be read.
    piece: Vec<u8>,
}

enum State {
    Gathering(Gathered),
    Reading(Content, Box<Reading>),
    /// Why it cannot be read, and how many of its bytes were given out.
    Faulty(Content, Fault, u64),
    Done,
}

struct Reading {
    batches: ParquetRecordBatchReader,
    columns: Vec<Member>,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    row: usize,
}

/// What was gathered of a file so far.
#[derive(Default)]
struct Gathered {
    held: Vec<u8>,
    spooled: Option<(File, u64)>,
}

/// The bytes of a file.
enum Content {
    Memory(Bytes),
    /// With its length.
    Spooled(File, u64),
}

/// Why a file, or what is left of it, cannot be read.
#[derive(Debug)]
enum Fault {
    /// The file is damaged, or has something that is not read.
    File(String),
    /// The input ended early, or its rows take more than they may.
    Input(InputError),
}

impl From<parquet::errors::ParquetError> for Fault {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::File(error.to_string())
    }
}

impl From<arrow_schema::ArrowError> for Fault {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::File(error.to_string())
    }
}

impl Default for ParquetRows {
    fn default() -> Self {
        Self {
            state: State::Gathering(Gathered::default()),
            held: HELD_BYTES,
            text: String::new(),
            given: 0,
            written: 0,
            piece: Vec::new(),
        }
    }
}

impl ParquetRows {
    /// The next row, part of a row, or piece of a file that cannot be read.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        if let State::Gathering(gathered) = &mut self.state {
            gathered.take_all(&mut cursor.window, self.held)?;
            let content = std::mem::take(gathered).content().map_err(Halt::Source)?;
            self.state = match cursor.window.take_fault() {
                // The table of contents is at the end, which is not there.
                Some(fault) => State::Faulty(content, Fault::Input(fault), 0),
                None => State::of(content),
            };
        }
        let most = cursor.most();
        if self.given < self.text.len() {
            return Ok(Some(self.part(most)));
        }
        if let State::Reading(content, reading) = &mut self.state {
            let text = &mut self.text;
            text.clear();
            self.given = 0;
            let row = guarded(|| reading.next_row(text));
            self.written += self.text.len() as u64;
            let fault = match row.and_then(|is_there| {
                within(cursor.limits.expansion, content.length(), self.written)?;
                Ok(is_there)
            }) {
                Ok(true) if self.text.len() > most => return Ok(Some(self.part(most))),
                Ok(true) => {
                    self.given = self.text.len();
                    return Ok(Some(Found::Row));
                }
                Ok(false) => None,
                Err(fault) => Some(fault),
            };
            self.text.clear();
            self.state = match (fault, std::mem::replace(&mut self.state, State::Done)) {
                (Some(fault), State::Reading(content, _)) => State::Faulty(content, fault, 0),
                _ => State::Done,
            };
        }
        let State::Faulty(content, fault, given) = &mut self.state else { return Ok(None) };
        let offset = *given;
        content.read(offset, most, &mut self.piece).map_err(|error| Halt::Source(InputError::Source(error)))?;
        // An empty input has no Parquet file, so that the first piece is never empty.
        if self.piece.is_empty() {
            self.state = State::Done;
            return Ok(None);
        }
        *given += self.piece.len() as u64;
        let reason = fault.to_string();
        let error = match std::mem::replace(fault, Fault::File(reason.clone())) {
            Fault::File(_) => FrameError::Parquet { reason },
            Fault::Input(error) => FrameError::Input(error),
        };
        Ok(Some(Found::Piece { error: error.into(), offset }))
    }

    /// The next part of a row that is longer than `most`.
    fn part(&mut self, most: usize) -> Found {
        let from = self.given;
        let to = self.text.len().min(from + most);
        self.given = to;
        Found::RowPart { from, to, is_last: to == self.text.len() }
    }

    /// The last row.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The last piece of the file.
    pub(crate) fn piece(&self) -> &[u8] {
        &self.piece
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(reason) => formatter.write_str(reason),
            Self::Input(error) => error.fmt(formatter),
        }
    }
}

/// Refuses rows that take more than a compressed input may.
fn within(limits: ExpansionLimits, read: u64, written: u64) -> Result<(), Fault> {
    let too_dense = written > limits.ratio_from && written > limits.ratio.saturating_mul(read);
    if written > limits.bytes || too_dense {
        return Err(Fault::Input(InputError::Bomb { read, written, limits }));
    }
    Ok(())
}

impl State {
    fn of(content: Content) -> Self {
        let opened = guarded(|| match &content {
            Content::Memory(bytes) => Reading::of(bytes.clone()),
            Content::Spooled(file, _) => Reading::of(file.try_clone().map_err(|error| Fault::File(error.to_string()))?),
        });
        match opened {
            Ok(reading) => Self::Reading(content, Box::new(reading)),
            Err(fault) => Self::Faulty(content, fault, 0),
        }
    }
}

impl Reading {
    /// Writes the next row as JSON; false at the end.
    fn next_row(&mut self, text: &mut String) -> Result<bool, Fault> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.num_rows()) {
            let Some(next) = self.batches.next() else { return Ok(false) };
            (self.batch, self.row) = (Some(next?), 0);
        }
        let Some(batch) = &self.batch else { return Ok(false) };
        text.push('{');
        for (position, ((name, form), column)) in self.columns.iter().zip(batch.columns()).enumerate() {
            write_member(text, position, name);
            form.write(column.as_ref(), self.row, text);
        }
        text.push('}');
        self.row += 1;
        Ok(true)
    }
}

impl Gathered {
    /// Takes all bytes that a window still gives; beyond `most` they go to a temporary file.
    fn take_all(&mut self, window: &mut Window<'_>, most: usize) -> Result<(), Halt> {
        loop {
            let count = window.bytes().len();
            self.take(window.bytes(), most).map_err(|error| Halt::Source(InputError::Source(error)))?;
            window.drop_front(count);
            if !window.grow()? {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: &[u8], most: usize) -> std::io::Result<()> {
        if self.spooled.is_none() && self.held.len() + bytes.len() > most {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.held)?;
            self.spooled = Some((file, self.held.len() as u64));
            self.held = Vec::new();
        }
        match &mut self.spooled {
            Some((file, length)) => {
                file.write_all(bytes)?;
                *length += bytes.len() as u64;
            }
            None => self.held.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn content(self) -> Result<Content, InputError> {
        Ok(match self.spooled {
            Some((file, length)) => Content::Spooled(file, length),
            None => Content::Memory(self.held.into()),
        })
    }
}

impl Content {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spooled(_, length) => *length,
        }
    }

    /// Reads at most `most` bytes from `offset` on into `piece`.
    fn read(&mut self, offset: u64, most: usize, piece: &mut Vec<u8>) -> std::io::Result<()> {
        piece.clear();
        match self {
            Self::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
                piece.extend_from_slice(rest.get(..most).unwrap_or(rest));
            }
            Self::Spooled(file, _) => {
                file.seek(SeekFrom::Start(offset))?;
                file.take(most as u64).read_to_end(piece)?;
            }
        }
        Ok(())
    }
}

/// The decoder has assertions; a file that meets one is as damaged as any.
fn guarded<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Fault::File("the decoder broke off".to_owned())))
}

impl Reading {
    fn of<T: ChunkReader + 'static>(content: T) -> Result<Self, Fault> {
        // What Arrow writers note about their own types would only multiply the types to be read here.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&content, options.clone())?;
        let mut leaves = Leaves { schema: metadata.parquet_schema(), next: 0 };
        let (fields, columns) = leaves.fields(metadata.schema().fields())?;
        let options = options.with_schema(Arc::new(Schema::new(fields)));
        let file = Arc::clone(metadata.metadata());
        let rows: i64 = file.row_groups().iter().map(|group| group.num_rows()).sum();
        let size: i64 = file.row_groups().iter().map(|group| group.total_byte_size()).fold(0, i64::saturating_add);
        let row_size = (size / rows.max(1)).max(1);
        let batch_rows = usize::try_from(BATCH_BYTES / row_size).unwrap_or(1).clamp(1, BATCH_ROWS);
        let metadata = ArrowReaderMetadata::try_new(file, options)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(content, metadata);
        let batches = builder.with_batch_size(batch_rows).build()?;
        Ok(Self { batches, columns, batch: None, row: 0 })
    }
}

/// The leaf columns of a Parquet schema, in the order in which Arrow's fields name them.
struct Leaves<'s> {
    schema: &'s SchemaDescriptor,
    next: usize,
}

impl Leaves<'_> {
    /// Arrow's types as they are to be read, and how each is written.
    fn fields(&mut self, fields: &Fields) -> Result<(Vec<FieldRef>, Vec<Member>), Fault> {
        let mut read = Vec::with_capacity(fields.len());
        let mut forms = Vec::with_capacity(fields.len());
        for field in fields {
            let (data_type, form) = self.form(field)?;
            read.push(Arc::new(Field::clone(field).with_data_type(data_type)));
            forms.push((field.name().clone(), form));
        }
        Ok((read, forms))
    }

    fn form(&mut self, field: &Field) -> Result<(DataType, Form), Fault> {
        Ok(match field.data_type() {
            DataType::Struct(fields) => {
                let (read, forms) = self.fields(fields)?;
                (DataType::Struct(read.into()), Form::Group(forms))
            }
            DataType::List(item) => {
                let (data_type, form) = self.form(item)?;
                (DataType::List(Arc::new(Field::clone(item).with_data_type(data_type))), Form::List(Box::new(form)))
            }
            DataType::Map(entries, sorted) => {
                let (data_type, form) = self.form(entries)?;
                let entries = Arc::new(Field::clone(entries).with_data_type(data_type));
                (DataType::Map(entries, *sorted), Form::Map(Box::new(form)))
            }
            leaf => {
                let column =
                    self.schema.columns().get(self.next).ok_or_else(|| {
                        Fault::File(format!("there is no leaf column for the field `{}`", field.name()))
                    })?;
                self.next += 1;
                // Nanoseconds, Arrow's choice, end in 2262; the year 9999 is common in what writes INT96.
                let is_int96 = column.physical_type() == PhysicalType::INT96;
                let read = if is_int96 { DataType::Timestamp(TimeUnit::Microsecond, None) } else { leaf.clone() };
                let is_uuid = column.logical_type_ref() == Some(&LogicalType::Uuid);
                let form = Form::of_leaf(&read, is_uuid).ok_or_else(|| {
                    Fault::File(format!("the column `{}` has a type that is not read: {leaf}", column.path()))
                })?;
                (read, form)
            }
        })
    }
}

/// A field and how its values are written.
type Member = (String, Form);

/// How the values of a column are written.
#[derive(Clone, Debug)]
enum Form {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    /// Digits after the point.
    Decimal128(i8),
    Decimal256(i8),
    Text,
    Binary,
    FixedBinary,
    Uuid,
    Date,
    TimeMillis,
    TimeMicros,
    TimeNanos,
    /// Whether it is adjusted to UTC.
    TimestampMillis(bool),
    TimestampMicros(bool),
    TimestampNanos(bool),
    List(Box<Form>),
    /// Its form is that of a pair.
    Map(Box<Form>),
    Group(Vec<Member>),
}

impl Form {
    fn of_leaf(data_type: &DataType, is_uuid: bool) -> Option<Self> {
        Some(match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::UInt8 => Self::UInt8,
            DataType::UInt16 => Self::UInt16,
            DataType::UInt32 => Self::UInt32,
            DataType::UInt64 => Self::UInt64,
            DataType::Float16 => Self::Float16,
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Decimal128(_, scale) => Self::Decimal128(*scale),
            DataType::Decimal256(_, scale) => Self::Decimal256(*scale),
            DataType::Utf8 => Self::Text,
            DataType::Binary => Self::Binary,
            DataType::FixedSizeBinary(16) if is_uuid => Self::Uuid,
            DataType::FixedSizeBinary(_) => Self::FixedBinary,
            DataType::Date32 => Self::Date,
            DataType::Time32(TimeUnit::Millisecond) => Self::TimeMillis,
            DataType::Time64(TimeUnit::Microsecond) => Self::TimeMicros,
            DataType::Time64(TimeUnit::Nanosecond) => Self::TimeNanos,
            DataType::Timestamp(TimeUnit::Millisecond, zone) => Self::TimestampMillis(zone.is_some()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Self::TimestampMicros(zone.is_some()),
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => Self::TimestampNanos(zone.is_some()),
            // INTERVAL among others: Arrow would drop the months of it.
            _ => return None,
        })
    }

    fn write(&self, array: &dyn Array, row: usize, out: &mut String) {
        if array.is_null(row) {
            out.push_str("null");
            return;
        }
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
            Self::Int8 => write_integer(value::<Int8Type>(array, row), out),
            Self::Int16 => write_integer(value::<Int16Type>(array, row), out),
            Self::Int32 => write_integer(value::<Int32Type>(array, row), out),
            Self::Int64 => write_integer(value::<Int64Type>(array, row), out),
            Self::UInt8 => write_integer(value::<UInt8Type>(array, row), out),
            Self::UInt16 => write_integer(value::<UInt16Type>(array, row), out),
            Self::UInt32 => write_integer(value::<UInt32Type>(array, row), out),
            Self::UInt64 => write_integer(value::<UInt64Type>(array, row), out),
            Self::Float16 => {
                let number = value::<Float16Type>(array, row).to_f32();
                write_float(number.into(), &format!("{number:?}"), out);
            }
            Self::Float32 => {
                let number = value::<Float32Type>(array, row);
                write_float(number.into(), &format!("{number:?}"), out);
            }
            Self::Float64 => {
                let number = value::<Float64Type>(array, row);
                write_float(number, &format!("{number:?}"), out);
            }
            Self::Decimal128(scale) => {
                write_decimal(&value::<Decimal128Type>(array, row).to_string(), *scale, out);
            }
            Self::Decimal256(scale) => {
                write_decimal(&value::<Decimal256Type>(array, row).to_string(), *scale, out);
            }
            Self::Text => write_json_string(array.as_string::<i32>().value(row), out),
            Self::Binary => write_binary(array.as_binary::<i32>().value(row), out),
            Self::FixedBinary => write_binary(array.as_fixed_size_binary().value(row), out),
            Self::Uuid => write_uuid(array.as_fixed_size_binary().value(row), out),
            Self::Date => write_date(value::<Date32Type>(array, row), out),
            Self::TimeMillis => {
                write_time(i64::from(value::<Time32MillisecondType>(array, row)) * 1_000_000, out);
            }
            Self::TimeMicros => write_time(value::<Time64MicrosecondType>(array, row).saturating_mul(1_000), out),
            Self::TimeNanos => write_time(value::<Time64NanosecondType>(array, row), out),
            Self::TimestampMillis(is_utc) => {
                let value = value::<TimestampMillisecondType>(array, row);
                write_timestamp(SignedDuration::from_millis(value), value, *is_utc, out);
            }
            Self::TimestampMicros(is_utc) => {
                let value = value::<TimestampMicrosecondType>(array, row);
                write_timestamp(SignedDuration::from_micros(value), value, *is_utc, out);
            }
            Self::TimestampNanos(is_utc) => {
                let value = value::<TimestampNanosecondType>(array, row);
                write_timestamp(SignedDuration::from_nanos(value), value, *is_utc, out);
            }
            Self::List(item) => {
                let items = array.as_list::<i32>().value(row);
                out.push('[');
                for position in 0..items.len() {
                    if position > 0 {
                        out.push(',');
                    }
                    item.write(items.as_ref(), position, out);
                }
                out.push(']');
            }
            Self::Map(pair) => write_map(pair, array, row, out),
            Self::Group(members) => {
                out.push('{');
                for (position, ((name, form), column)) in members.iter().zip(array.as_struct().columns()).enumerate() {
                    write_member(out, position, name);
                    form.write(column.as_ref(), row, out);
                }
                out.push('}');
            }
        }
    }
}

fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn write_member(out: &mut String, position: usize, name: &str) {
    if position > 0 {
        out.push(',');
    }
    write_json_string(name, out);
    out.push(':');
}

fn write_integer(number: impl itoa::Integer, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// JSON has no numbers for what is none.
fn write_float(number: f64, text: &str, out: &mut String) {
    match number {
        _ if number.is_finite() => out.push_str(text),
        _ if number.is_nan() => out.push_str("\"NaN\""),
        _ => out.push_str(if number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }),
    }
}

/// `unscaled` with a point before its last `scale` digits.
fn write_decimal(unscaled: &str, scale: i8, out: &mut String) {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    out.push_str(sign);
    let Ok(scale) = usize::try_from(scale) else {
        out.push_str(digits);
        if digits != "0" {
            out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
        return;
    };
    if scale == 0 {
        out.push_str(digits);
        return;
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    out.push_str(whole);
    out.push('.');
    out.push_str(fraction);
}

fn write_binary(bytes: &[u8], out: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => write_json_string(text, out),
        Err(_) => {
            out.push('"');
            out.push_str(&base64_simd::STANDARD.encode_to_string(bytes));
            out.push('"');
        }
    }
}

fn write_uuid(bytes: &[u8], out: &mut String) {
    out.push('"');
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out.push('"');
}

fn write_date(days: i32, out: &mut String) {
    match civil::date(1970, 1, 1).checked_add(Span::new().try_days(days).unwrap_or_default()) {
        Ok(date) if i64::from(days).unsigned_abs() < 10_000_000 => {
            let _ = write!(out, "\"{date}\"");
        }
        _ => write_integer(days, out),
    }
}

/// Nanoseconds since midnight.
fn write_time(nanoseconds: i64, out: &mut String) {
    let nanosecond = i32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or_default();
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let part = |value: i64| i8::try_from(value).ok();
    let time = part(seconds / 3600)
        .zip(part(seconds / 60 % 60))
        .zip(part(seconds % 60))
        .and_then(|((hour, minute), second)| civil::Time::new(hour, minute, second, nanosecond).ok());
    match time {
        Some(time) => {
            let _ = write!(out, "\"{time}\"");
        }
        None => write_integer(nanoseconds, out),
    }
}

/// ISO 8601 with `Z`, or without offset where it is a local time; the bare number if no calendar has it.
fn write_timestamp(since_1970: SignedDuration, value: i64, is_utc: bool, out: &mut String) {
    match civil::date(1970, 1, 1).to_datetime(civil::Time::midnight()).checked_add(since_1970) {
        Ok(instant) => {
            let _ = write!(out, "\"{instant}{}\"", if is_utc { "Z" } else { "" });
        }
        Err(_) => write_integer(value, out),
    }
}

fn write_map(pair: &Form, array: &dyn Array, row: usize, out: &mut String) {
    let entries = array.as_map().value(row);
    let (Form::Group(members), columns) = (pair, entries.columns()) else { return out.push_str("null") };
    let [(_, key_form), rest @ ..] = members.as_slice() else { return out.push_str("null") };
    let Some((keys, values)) = columns.split_first() else { return out.push_str("null") };
    let mut names = Vec::with_capacity(entries.len());
    for entry in 0..entries.len() {
        let mut name = String::new();
        key_form.write(keys.as_ref(), entry, &mut name);
        names.push(name);
    }
    let mut seen = FxHashSet::default();
    let is_object = names.iter().all(|name| seen.insert(name.as_str()));
    out.push(if is_object { '{' } else { '[' });
    for (entry, name) in names.iter().enumerate() {
        if entry > 0 {
            out.push(',');
        }
        let is_text = name.starts_with('"');
        match (is_object, is_text) {
            (true, true) => out.push_str(name),
            (true, false) => write_json_string(name, out),
            (false, _) => {
                out.push_str("{\"key\":");
                out.push_str(name);
                out.push_str(",\"value\"");
            }
        }
        out.push(':');
        match (rest.first(), values.first()) {
            (Some((_, form)), Some(column)) => form.write(column.as_ref(), entry, out),
            _ => out.push_str("null"),
        }
        if !is_object {
            out.push('}');
        }
    }
    out.push(if is_object { '}' } else { ']' });
}

#[cfg(test)]
mod tests;
