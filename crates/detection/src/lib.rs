//! Detection rules: files, lint, windows, findings, what was already published.
