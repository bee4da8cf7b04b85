//! Any JSON goes through the decode steps of every shipped mapping without a panic. Every event in an envelope gives the same
//! result by itself.

use std::sync::LazyLock;

use bumpalo::Bump;
use mapping::Unwrapped;
use pipeline::{MappedSource, ReadBuffer, SHIPPED_MAPPINGS};
use sources::Document;

static SOURCES: LazyLock<Vec<MappedSource>> = LazyLock::new(|| {
    SHIPPED_MAPPINGS.iter().map(|(name, text)| MappedSource::new(name, text, &|_| None).expect("is shipped")).collect()
});

/// Runs one input.
pub fn run(input: &[u8]) {
    for source in SOURCES.iter() {
        let bump = Bump::new();
        let Ok(document) = Document::parse(input, &bump) else { return };
        let (mut events, mut parts) = (Vec::new(), Vec::new());
        source.events(document, &mut ReadBuffer::default(), &bump, &mut |piece, part| {
            if let Unwrapped::Event(document) = piece {
                let _ = source.mapping().apply(&document, &bump);
                events.push(document);
            }
            parts.extend(part.map(|part| part.to_json()));
        });
        for part in &parts {
            let alone = Bump::new();
            let document = Document::parse(part.as_bytes(), &alone).expect("a part is JSON");
            source.events(document, &mut ReadBuffer::default(), &alone, &mut |_, _| {});
        }
    }
}
