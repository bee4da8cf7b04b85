//! A range of a shard, read again.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_kinesis::config::Region;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use aws_sdk_kinesis::{Client, config};
use serde::{Deserialize, Serialize};

use crate::aws_error;
use crate::exit::Failure;
use crate::output::counted;

/// A range of records that the on-failure destination was told of, as the event source writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamRange {
    /// ARN of the stream.
    pub(super) stream_arn: String,
    /// The shard.
    pub(super) shard_id: String,
    /// The first record.
    pub(super) start_sequence_number: String,
    /// The last record.
    pub(super) end_sequence_number: String,
    /// How many records it has.
    pub(super) batch_size: Option<u64>,
}

/// Records that the stream no longer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Lost {
    stream: String,
    shard: String,
    /// The first record lost.
    from: String,
    /// The first record after it that is there; none if the rest of the range is lost.
    before: Option<String>,
    /// The last record of the range.
    to: String,
    /// How many records are lost, if the message says how many there were.
    records: Option<u64>,
    /// Why.
    reason: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.records.map_or("records".to_owned(), |records| counted(records, "record"));
        write!(f, "{records} of {} {}, from {}", self.stream, self.shard, self.from)?;
        match &self.before {
            Some(before) => write!(f, " to before {before}")?,
            None => write!(f, " to {}", self.to)?,
        }
        write!(f, ": {}", self.reason)
    }
}

/// Bytes of records that are handed on together.
const CHUNK_BYTES: usize = 32 << 20;
/// A shard can be read five times a second.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a read that the shard has no capacity for is repeated, beyond the SDK's own.
const TRIES: u32 = 10;

/// Reads a range from its beginning to its end.
pub(super) struct RangeReader<'r> {
    client: Client,
    range: &'r StreamRange,
    iterator: Option<String>,
    read: u64,
    first: Option<String>,
    reached_end: bool,
    /// Why there is nothing to read, or no more.
    ended: Option<String>,
}

impl<'r> RangeReader<'r> {
    /// A reader positioned at the first record of the range that the stream still has.
    pub(super) async fn open(range: &'r StreamRange) -> Result<Self, Failure> {
        let config = crate::aws_access::sdk_config().await?;
        // The message says where the stream is, whatever the environment's Region.
        let region = range.stream_arn.split(':').nth(3).filter(|region| !region.is_empty());
        let region = region.map(|region| Region::new(region.to_owned())).or(config.region().cloned());
        let client = Client::from_conf(config::Builder::from(&config).region(region).build());
        let (iterator, ended) = match shard_iterator(&client, range).await? {
            Ok(iterator) => (Some(iterator), None),
            Err(gone) => (None, Some(gone)),
        };
        Ok(Self { client, range, iterator, read: 0, first: None, reached_end: false, ended })
    }

    /// The next records of the range; none at its end, or at the end of what the stream has.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Record>>, Failure> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while !self.reached_end
            && bytes < CHUNK_BYTES
            && let Some(iterator) = self.iterator.take()
        {
            let page = self.page(&iterator).await?;
            let is_at_tip = page.records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0;
            for record in page.records {
                let order = compare(record.sequence_number(), &self.range.end_sequence_number);
                if order != Ordering::Less {
                    self.reached_end = true;
                }
                if order == Ordering::Greater {
                    break;
                }
                self.first.get_or_insert_with(|| record.sequence_number().to_owned());
                self.read += 1;
                bytes += record.data().as_ref().len();
                chunk.push(record);
            }
            match page.next_shard_iterator {
                _ if self.reached_end => {}
                None => self.ended = Some("the shard is closed and ends before the range does".to_owned()),
                Some(_) if is_at_tip => self.ended = Some("the shard has no later records".to_owned()),
                Some(next) => {
                    self.iterator = Some(next);
                    if chunk.is_empty() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    async fn page(&self, iterator: &str) -> Result<aws_sdk_kinesis::operation::get_records::GetRecordsOutput, Failure> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            let request = self.client.get_records().shard_iterator(iterator).stream_arn(&self.range.stream_arn);
            match request.send().await {
                Err(error) if error.code().is_some_and(|code| THROTTLED.contains(&code)) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                settled => return settled.map_err(|error| failed(self.range, &error)),
            }
        }
        let request = self.client.get_records().shard_iterator(iterator).stream_arn(&self.range.stream_arn);
        request.send().await.map_err(|error| failed(self.range, &error))
    }

    /// The part of the range that the stream no longer had. Call this after [`RangeReader::next`] has returned
    /// everything.
    pub(super) fn lost(&self) -> Option<Lost> {
        let range = self.range;
        let missing = range.batch_size.map(|expected| expected.saturating_sub(self.read));
        let from_start = self.first.as_ref().is_none_or(|first| *first != range.start_sequence_number);
        let reason = match (&self.first, &self.ended) {
            (None, Some(why)) => why.clone(),
            (None, None) => "the stream no longer has them".to_owned(),
            (Some(_), _) if from_start => "the stream no longer has them".to_owned(),
            (Some(_), Some(why)) if !self.reached_end => why.clone(),
            (Some(_), _) if missing.is_some_and(|missing| missing > 0) => {
                "the stream has fewer records in the range than the message says".to_owned()
            }
            (Some(_), _) => return None,
        };
        Some(Lost {
            stream: range.stream_arn.clone(),
            shard: range.shard_id.clone(),
            from: range.start_sequence_number.clone(),
            before: self.first.clone().filter(|_| from_start),
            to: range.end_sequence_number.clone(),
            records: missing,
            reason,
        })
    }
}

/// Codes of a shard without capacity.
const THROTTLED: [&str; 3] =
    ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"];

/// An iterator at the start of the range, or the permanent reason why there is none.
async fn shard_iterator(client: &Client, range: &StreamRange) -> Result<Result<String, String>, Failure> {
    let request = client
        .get_shard_iterator()
        .stream_arn(&range.stream_arn)
        .shard_id(&range.shard_id)
        .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
        .starting_sequence_number(&range.start_sequence_number);
    let error = match request.send().await {
        Ok(found) => return Ok(found.shard_iterator.ok_or_else(|| "the stream returned no iterator".to_owned())),
        Err(error) => error,
    };
    match error.code() {
        Some("InvalidArgumentException") => {
            Ok(Err(format!("the stream rejected the sequence number: {}", error.message().unwrap_or_default())))
        }
        // Either the whole stream, which is a mistake to be told of, or a shard that was split or merged long ago.
        Some("ResourceNotFoundException") => {
            let stream = client.describe_stream_summary().stream_arn(&range.stream_arn).send().await;
            if stream.is_err() {
                Err(failed(range, &error))
            } else {
                Ok(Err("the stream no longer has the shard".to_owned()))
            }
        }
        _ => Err(failed(range, &error)),
    }
}

fn failed<E, R>(range: &StreamRange, error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug + 'static,
{
    let StreamRange { stream_arn, shard_id, .. } = range;
    Failure::Other(anyhow!("cannot read {stream_arn} {shard_id}: {}", aws_error::describe(error)))
}

/// Sequence numbers are decimal numbers of any length.
fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("0010", "10"), Ordering::Equal);
        assert_eq!(
            compare(
                "49590338271490256608559692540925702759324208523137515618",
                "49590338271490256608559692540925702759324208523137515617"
            ),
            Ordering::Greater
        );
    }
}
