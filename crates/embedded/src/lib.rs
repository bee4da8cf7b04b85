//! The embedded query engine: Trino's SQL over a lake folder, by DataFusion.
