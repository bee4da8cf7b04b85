//! Amazon Security Lake as a place to write to: object keys, Parquet objects that obey the lake's rules, the check of
//! those rules, and quarantine.
//!
//! This is the last arrow of the flow: columns come in from the mapping, objects go out. Nothing here knows how the
//! columns were made.

mod column_chunk;
pub mod conformance;
mod footer;
mod hybrid;
pub mod key;
mod leaf;
mod page_headers;
pub mod parquet_object;
pub mod partition;
pub mod quarantine;
#[cfg(test)]
mod sample;
mod thrift;
