//! What Athena charges.

/// The price of a terabyte (of 2⁴⁰ bytes) in most Regions: <https://aws.amazon.com/athena/pricing/>.
pub const US_DOLLARS_PER_TERABYTE: f64 = 5.0;

const MEGABYTE: u64 = 1 << 20;
const TERABYTE: f64 = (1_u64 << 40) as f64;

/// The bytes that Athena charges for a query: whole megabytes, at least ten. A query that reads nothing is free.
pub fn charged_bytes(scanned: u64) -> u64 {
    match scanned {
        0 => 0,
        scanned => scanned.div_ceil(MEGABYTE).max(10).saturating_mul(MEGABYTE),
    }
}

/// The cost of a query at a price per terabyte.
pub fn us_dollars(scanned: u64, per_terabyte: f64) -> f64 {
    charged_bytes(scanned) as f64 / TERABYTE * per_terabyte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_megabytes_are_charged_and_at_least_ten() {
        for (scanned, megabytes) in [(0, 0), (1, 10), (10 * MEGABYTE, 10), (10 * MEGABYTE + 1, 11)] {
            assert_eq!(charged_bytes(scanned), megabytes * MEGABYTE, "{scanned}");
        }
        assert_eq!(us_dollars(1 << 40, US_DOLLARS_PER_TERABYTE), 5.0);
        assert_eq!(us_dollars(1 << 39, 6.75), 3.375);
    }
}
