//! Athena's API on this machine, executing on the embedded engine.
