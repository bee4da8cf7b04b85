//! A batch of records as Lambda's event source mapping delivers it, and keeps it when it has given it up.

use std::borrow::Cow;

use base64_simd::STANDARD as BASE64;
use serde::Deserialize;

use crate::error_text::json_fault;
use crate::stream::StreamRecord;

/// The records of an event, base64 undone.
#[derive(Debug)]
pub struct KinesisEvent<'a> {
    records: Vec<(Record<'a>, Vec<u8>)>,
}

/// An event that is not a batch of Kinesis records. It says so without a word of the event's content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KinesisEventError {
    /// A member is missing or of another type, or it is no JSON.
    #[error("{}", json_fault(.0))]
    Shape(serde_json::Error),
    /// A record that no answer could name.
    #[error("record {index} has no sequence number")]
    NoSequenceNumber {
        /// Which record, from 0.
        index: usize,
    },
    /// Data that cannot be read.
    #[error("record {index} has data that is not base64")]
    NotBase64 {
        /// Which record, from 0.
        index: usize,
    },
}

#[derive(Debug, Deserialize)]
struct Event<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    kinesis: Kinesis<'a>,
    /// `shardId-000000000006:<sequence number>`
    #[serde(rename = "eventID", borrow)]
    event_id: Cow<'a, str>,
    #[serde(rename = "eventSourceARN", borrow)]
    event_source_arn: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    /// Seconds since 1970.
    approximate_arrival_timestamp: f64,
}

impl<'a> KinesisEvent<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// Anything that is not a batch of Kinesis records, or that leaves no way to name a record: without that, the answer
    /// could not say what has to come again.
    pub fn parse(text: &'a str) -> Result<Self, KinesisEventError> {
        let event: Event<'a> = serde_json::from_str(text).map_err(KinesisEventError::Shape)?;
        let records = event.records.into_iter().enumerate().map(|(index, mut record)| {
            if record.kinesis.sequence_number.is_empty() {
                return Err(KinesisEventError::NoSequenceNumber { index });
            }
            let text = std::mem::take(&mut record.kinesis.data);
            let data = BASE64.decode_to_vec(text.as_bytes()).map_err(|_| KinesisEventError::NotBase64 { index })?;
            Ok((record, data))
        });
        Ok(Self { records: records.collect::<Result<_, _>>()? })
    }

    /// The records in the order of the shard.
    pub fn records(&self) -> Vec<StreamRecord<'_>> {
        let records = self.records.iter().map(|(record, data)| StreamRecord {
            sequence_number: &record.kinesis.sequence_number,
            shard: record.event_id.split(':').next().unwrap_or_default(),
            stream: &record.event_source_arn,
            arrival: (record.kinesis.approximate_arrival_timestamp * 1000.0).round() as i64,
            data,
        });
        records.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(record: &str) -> String {
        format!(r#"{{"Records":[{record}]}}"#)
    }

    /// The example of Lambda's developer guide.
    const RECORD: &str = r#"{
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "1",
            "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
            "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
            "approximateArrivalTimestamp": 1545084650.987
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::111122223333:role/lambda-role",
        "awsRegion": "us-east-2",
        "eventSourceARN": "arn:aws:kinesis:us-east-2:111122223333:stream/lambda-stream"
    }"#;

    #[test]
    fn a_record_has_all_that_the_flow_asks_for() {
        let text = event(RECORD);
        let event = KinesisEvent::parse(&text).unwrap();
        let [record] = event.records()[..] else { panic!() };
        assert_eq!(record.sequence_number, "49590338271490256608559692538361571095921575989136588898");
        assert_eq!(record.shard, "shardId-000000000006");
        assert_eq!(record.stream, "arn:aws:kinesis:us-east-2:111122223333:stream/lambda-stream");
        assert_eq!(record.arrival, 1_545_084_650_987);
        assert_eq!(record.data, b"Hello, this is a test.");
    }

    #[test]
    fn what_is_no_batch_is_refused_without_a_word_of_its_content() {
        let no_base64 = event(&RECORD.replace("SGVsbG8s", "secret::"));
        let no_number =
            event(&RECORD.replace("49590338271490256608559692538361571095921575989136588898\",\n", "\",\n"));
        for (text, reason) in [
            (r#"{"secret":1}"#, "a member is missing or of another type at line 1 column 12"),
            (r#"{"Records":["secret"]}"#, "a member is missing or of another type at line 1 column 20"),
            (r#"{"Records":[{"kinesis":{"data":"secret""#, "it ends early at line 1 column 39"),
            (&no_base64, "record 0 has data that is not base64"),
            (&no_number, "record 0 has no sequence number"),
        ] {
            let error = KinesisEvent::parse(text).unwrap_err().to_string();
            assert_eq!(error, reason);
        }
    }

    #[test]
    fn a_batch_may_be_empty() {
        assert!(KinesisEvent::parse(r#"{"Records":[]}"#).unwrap().records().is_empty());
    }
}
