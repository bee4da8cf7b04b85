//! One batch in, objects out, and the fate of each record.
//!
//! This is where the arrows of the flow meet: `sources` cuts inputs into events, `mapping` makes them OCSF, `lake` seals and
//! keeps them. [`Batch`] holds events in between and knows which input each object depends on. [`transform_records`] does
//! this for a batch of stream records, [`transform_object`] for an input of any size. Functions and the command line only
//! adapt their event to one of the two.

mod batch;
mod bounds;
mod deliver;
mod error_text;
mod kept;
mod kinesis_event;
mod object;
mod route;
mod routing;
mod source;
mod stream;
mod unpack;

pub use batch::{
    Batch, BatchError, Counts, Destination, Example, InputId, Parcel, Refusal, Sealing, Settings, Taken, reason_of,
};
pub use bounds::{Bounds, BoundsError, PartitionLimit, PlausibleDays};
pub use deliver::{Delivery, Stores};
pub use error_text::{error_chain, json_fault};
pub use kinesis_event::{KinesisEvent, KinesisEventError};
pub use object::{Naming, ObjectError, ObjectOutcome, refuse_object, transform_object};
pub use route::RouteError;
pub use routing::{
    Captures, CheckedSources, DEFAULT_SOURCES, NamedMapping, ObjectRoute, RoutedObject, RoutingError, Sources,
    StreamRoutes, check_sources, diagnostic, is_sources_file, sources_json_schema,
};
pub use source::{MappedSource, ReadBuffer, SHIPPED_MAPPINGS, SourceError, shipped_mapping};
pub use stream::{StreamOutcome, StreamRecord, transform_records};
pub use unpack::{Unpacked, is_whole, unpack_line};
