//! The function that runs detections.

fn main() {}
