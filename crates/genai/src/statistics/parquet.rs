//! Sums as a table with types, for notebooks and warehouses.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use gateway::statistics::{By, Statistics, Sums};
use kernel::Fault;
use parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use super::{Line, lines};

pub(super) const TYPE: &str = "application/vnd.apache.parquet";

/// The CSV's columns, and when a group of time begins. Costs stay billionths of a dollar: whole, so that they add up.
const SCHEMA: &str = "message statistics {
    required binary name (utf8);
    optional binary id (utf8);
    optional int64 starts_at (timestamp(micros,true));
    required int64 requests;
    required int64 completed;
    required int64 failed;
    required int64 cancelled;
    optional double success_rate;
    optional int64 mean_ms;
    optional int64 p95_ms;
    required int64 tokens_input;
    required int64 tokens_output;
    required int64 tokens_cached;
    required int64 tokens_written;
    required int64 tokens_thought;
    required int64 cost_nano_usd;
}";

/// The groups, or the totals where there are none asked for: at most as many as are ever summed up, so one row group.
pub(super) fn file(found: &Statistics, by: By) -> Result<Vec<u8>, Fault> {
    write(found, by)
        .map_err(|error| Fault::internal("statistics could not be written as Parquet", error))
}

fn write(found: &Statistics, by: By) -> Result<Vec<u8>, ParquetError> {
    let lines = lines(found);
    let about = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let properties = WriterProperties::builder()
        .set_created_by("noren".to_owned())
        .set_key_value_metadata(Some(vec![
            about("noren.from", found.from.to_rfc3339()),
            about("noren.to", found.to.to_rfc3339()),
            about("noren.zone", found.zone.clone()),
        ]))
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    Rows {
        lines: &lines,
        writer: writer.next_row_group()?,
    }
    .fill(by, found.zone.parse().unwrap_or(Tz::UTC))?;
    writer.into_inner()
}

/// Lines that become columns one after the other.
struct Rows<'a> {
    lines: &'a [Line<'a>],
    writer: SerializedRowGroupWriter<'a, Vec<u8>>,
}

impl Rows<'_> {
    /// Every column, in the order of the schema.
    fn fill(mut self, by: By, zone: Tz) -> Result<(), ParquetError> {
        self.texts(false, |line| Some(line.name.as_str().into()))?;
        self.texts(true, |line| line.id.as_deref().map(Into::into))?;
        self.column::<Int64Type>(true, |line| {
            begin(&line.name, by, zone).map(|time| time.timestamp_micros())
        })?;
        self.whole(|sums| sums.requests)?;
        self.whole(|sums| sums.completed)?;
        self.whole(|sums| sums.failed)?;
        self.whole(|sums| sums.cancelled)?;
        self.column::<DoubleType>(true, |line| line.sums.success_rate)?;
        self.column::<Int64Type>(true, |group| group.sums.mean_ms)?;
        self.column::<Int64Type>(true, |group| group.sums.p95_ms)?;
        self.whole(|sums| sums.tokens.input)?;
        self.whole(|sums| sums.tokens.output)?;
        self.whole(|sums| sums.tokens.cached)?;
        self.whole(|sums| sums.tokens.written)?;
        self.whole(|sums| sums.tokens.thought)?;
        self.whole(|sums| sums.cost_nano_usd)?;
        self.writer.close()?;
        Ok(())
    }

    /// The next column of the schema; one that may be empty is told which rows have a value.
    fn column<T: DataType>(
        &mut self,
        may_be_empty: bool,
        value: impl Fn(&Line<'_>) -> Option<T::T>,
    ) -> Result<(), ParquetError> {
        let values: Vec<_> = self.lines.iter().map(value).collect();
        let present: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
        let values: Vec<T::T> = values.into_iter().flatten().collect();
        let Some(mut column) = self.writer.next_column()? else {
            return Err(ParquetError::General(
                "more columns than the schema has".into(),
            ));
        };
        let levels = may_be_empty.then_some(present.as_slice());
        column.typed::<T>().write_batch(&values, levels, None)?;
        column.close()
    }

    fn texts(
        &mut self,
        may_be_empty: bool,
        value: impl Fn(&Line<'_>) -> Option<ByteArray>,
    ) -> Result<(), ParquetError> {
        self.column::<ByteArrayType>(may_be_empty, value)
    }

    fn whole(&mut self, value: impl Fn(&Sums) -> i64) -> Result<(), ParquetError> {
        self.column::<Int64Type>(false, |line| Some(value(line.sums)))
    }
}

/// When a group of time begins: days begin in the tenant's zone, at the first moment that the day has there.
fn begin(name: &str, by: By, zone: Tz) -> Option<DateTime<Utc>> {
    match by {
        By::Day => {
            let day: NaiveDate = name.parse().ok()?;
            (0..24)
                .filter_map(|hour| day.and_hms_opt(hour, 0, 0))
                .find_map(|time| zone.from_local_datetime(&time).earliest())
                .map(|time| time.to_utc())
        }
        By::Hour | By::Minute => name.parse().ok(),
        By::None | By::Model | By::Key | By::Tag => None,
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn only_a_group_of_time_has_a_beginning() {
        for (name, by, zone, want) in [
            (
                "2026-11-22",
                By::Day,
                Tz::Asia__Tokyo,
                Some("2026-11-21T15:00:00Z"),
            ),
            // Midnight did not exist there that day.
            (
                "2026-09-06",
                By::Day,
                Tz::America__Santiago,
                Some("2026-09-06T04:00:00Z"),
            ),
            (
                "2026-11-22T03:04:00Z",
                By::Minute,
                Tz::Asia__Tokyo,
                Some("2026-11-22T03:04:00Z"),
            ),
            ("2026-11-22", By::Tag, Tz::Asia__Tokyo, None),
            ("gpt", By::Model, Tz::UTC, None),
        ] {
            let want = want.map(|want| want.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(begin(name, by, zone), want, "{name}");
        }
    }

    #[test]
    fn a_file_without_groups_has_one_row_of_totals() {
        let found = Statistics {
            from: DateTime::UNIX_EPOCH,
            to: DateTime::UNIX_EPOCH,
            zone: "Asia/Tokyo".to_owned(),
            totals: Sums {
                requests: 3,
                ..Sums::default()
            },
            groups: Vec::new(),
            others: None,
        };
        let bytes = file(&found, By::None).unwrap();
        let read = SerializedFileReader::new(axum::body::Bytes::from(bytes)).unwrap();
        let rows: Vec<_> = read
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(rows.len(), 1);
        assert!(
            rows[0]
                .to_string()
                .starts_with("{name: \"total\", id: null, starts_at: null, requests: 3")
        );
    }
}
