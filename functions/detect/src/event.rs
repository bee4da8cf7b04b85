//! What makes the function run: a schedule, or a query that has changed its state.

use function::HandlerError;
use serde::Deserialize;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Look for rules that are due.
    Schedule,
    /// A query has changed its state:
    /// <https://docs.aws.amazon.com/athena/latest/ug/athena-events.html>
    StateChange {
        /// The query.
        query_id: String,
        /// The workgroup that it runs in.
        workgroup: String,
        /// Its state.
        state: String,
    },
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "detail-type")]
    detail_type: String,
    source: String,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    query_execution_id: Option<String>,
    workgroup_name: Option<String>,
    current_state: Option<String>,
}

impl Event {
    /// Reads an event of EventBridge or of its Scheduler.
    pub(crate) fn parse(text: &str) -> Result<Self, HandlerError> {
        const EXPECTED: &str = "a scheduled event or a state change of an Athena query";
        let envelope: Envelope =
            serde_json::from_str(text).map_err(|error| HandlerError::malformed(EXPECTED, &error))?;
        let refuse = |reason: &str| HandlerError::Malformed { expected: EXPECTED, reason: reason.to_owned() };
        match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            ("aws.events" | "aws.scheduler", "Scheduled Event") => Ok(Self::Schedule),
            ("aws.athena", "Athena Query State Change") => {
                let detail = envelope.detail.ok_or_else(|| refuse("it has no detail"))?;
                match (detail.query_execution_id, detail.workgroup_name, detail.current_state) {
                    (Some(query_id), Some(workgroup), Some(state)) => {
                        Ok(Self::StateChange { query_id, workgroup, state })
                    }
                    _ => Err(refuse("its detail lacks queryExecutionId, workgroupName or currentState")),
                }
            }
            _ => Err(refuse("its source and detail-type are of another")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_of_both_kinds_are_read() {
        let rule = r#"{"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1",
            "time": "1970-01-01T00:00:05Z", "region": "eu-central-1", "resources": [], "detail": {}}"#;
        assert_eq!(Event::parse(rule).unwrap(), Event::Schedule);
        let scheduler =
            r#"{"source": "aws.scheduler", "detail-type": "Scheduled Event", "time": "1970-01-01T00:00:05Z"}"#;
        assert_eq!(Event::parse(scheduler).unwrap(), Event::Schedule);
    }

    #[test]
    fn a_state_change_is_read_as_aws_documents_it() {
        let event = r#"{"version":"0","id":"abcdef00-1234-5678-9abc-def012345678","detail-type":"Athena Query State Change",
            "source":"aws.athena","account":"123456789012","time":"2019-10-06T09:30:10Z","region":"us-east-1","resources":[],
            "detail":{"versionId":"0","currentState":"SUCCEEDED","previousState":"RUNNING","statementType":"DDL",
            "queryExecutionId":"01234567-0123-0123-0123-012345678901","workgroupName":"primary","sequenceNumber":"3",
            "unknown":[1]}}"#;
        let expected = Event::StateChange {
            query_id: "01234567-0123-0123-0123-012345678901".to_owned(),
            workgroup: "primary".to_owned(),
            state: "SUCCEEDED".to_owned(),
        };
        assert_eq!(Event::parse(event).unwrap(), expected);
    }

    #[test]
    fn anything_else_is_refused() {
        for event in [
            "{}",
            r#"{"Records": []}"#,
            r#"{"source": "aws.s3", "detail-type": "Object Created", "detail": {}}"#,
            r#"{"source": "aws.athena", "detail-type": "Athena Query State Change"}"#,
            r#"{"source": "aws.athena", "detail-type": "Athena Query State Change", "detail": {"currentState": "FAILED"}}"#,
        ] {
            assert!(matches!(Event::parse(event), Err(HandlerError::Malformed { .. })), "{event}");
        }
    }
}
