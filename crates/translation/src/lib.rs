//! STIX patterns to SQL, by dialect maps.
