//! A stack for what walks a statement by recursion.

/// Runs something on a stack that holds the deepest statement there is, in unoptimised builds too.
pub(crate) fn with_deep_stack<T>(run: impl FnOnce() -> T) -> T {
    const STACK: usize = 64 << 20;
    stacker::maybe_grow(STACK / 2, STACK, run)
}
