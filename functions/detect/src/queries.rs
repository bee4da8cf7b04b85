//! Athena, as detections ask it.

use detection::{Progress, Queries};
use query::athena::{Athena, QueryId, State};
use query::{BoxFuture, QueryError, Statement};

/// Queries of Athena.
#[derive(Debug)]
pub(crate) struct AthenaQueries(pub(crate) Athena);

impl Queries for AthenaQueries {
    fn start<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<String, QueryError>> {
        Box::pin(async move { Ok(self.0.start(statement).await?.to_string()) })
    }

    fn progress<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<Progress, QueryError>> {
        Box::pin(async move {
            let execution = self.0.status(&QueryId::new(query_id)).await?;
            Ok(match execution.state {
                State::Queued | State::Running => {
                    Progress::Running { scanned_bytes: execution.statistics.scanned_bytes }
                }
                State::Succeeded => Progress::Done(self.0.answer(&execution).await?),
                State::Ended(error) => Progress::Failed(error),
            })
        })
    }

    fn cancel<'a>(&'a self, query_id: &'a str) -> BoxFuture<'a, Result<(), QueryError>> {
        Box::pin(async move { self.0.cancel(&QueryId::new(query_id)).await })
    }
}
