//! Sets of leaves.

/// A set of leaves, by their numbers in the pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafSet {
    /// No zero at the end, so that equal sets are equal.
    words: Vec<u64>,
}

impl LeafSet {
    /// The empty set.
    pub fn new() -> LeafSet {
        LeafSet::default()
    }

    /// Puts a leaf into the set.
    pub fn insert(&mut self, leaf: usize) {
        let word = leaf / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (leaf % 64);
        }
    }

    /// Whether the leaf is in the set.
    pub fn contains(&self, leaf: usize) -> bool {
        self.words.get(leaf / 64).is_some_and(|word| word >> (leaf % 64) & 1 == 1)
    }

    /// Whether no leaf is.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The leaves in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.words.len() * 64).filter(|leaf| self.contains(*leaf))
    }
}

impl FromIterator<usize> for LeafSet {
    fn from_iter<I: IntoIterator<Item = usize>>(leaves: I) -> LeafSet {
        let mut set = LeafSet::new();
        leaves.into_iter().for_each(|leaf| set.insert(leaf));
        set
    }
}
