//! Addresses and networks in CIDR form, of IPv4 and IPv6.

use std::net::IpAddr;

/// An address with how many of its leading bits count; an address alone counts whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    bits: u128,
    is_v6: bool,
    prefix: u32,
}

impl Network {
    /// Reads `198.51.100.0/24`, `2001:db8::/32`, `198.51.100.7`. Bits after the prefix may be anything.
    pub(crate) fn read(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let (bits, is_v6, most) = match address.parse().ok()? {
            IpAddr::V4(address) => (u128::from(address.to_bits()), false, 32),
            IpAddr::V6(address) => (address.to_bits(), true, 128),
        };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= most)?
            }
            Some(_) => return None,
        };
        Some(Network { bits, is_v6, prefix })
    }

    /// Of an address the network of just that address, and of such a network the address.
    pub(crate) fn other_spelling(text: &str) -> Option<String> {
        let network = Network::read(text)?;
        let most = if network.is_v6 { 128 } else { 32 };
        match text.split_once('/') {
            None => Some(format!("{text}/{most}")),
            Some((address, _)) => (network.prefix == most).then(|| address.to_owned()),
        }
    }

    /// Whether every address of `other` is one of this.
    pub(crate) fn contains(&self, other: &Network) -> bool {
        let width = if self.is_v6 { 128 } else { 32 };
        let differing = self.bits ^ other.bits;
        self.is_v6 == other.is_v6
            && self.prefix <= other.prefix
            && differing.checked_shr(width - self.prefix).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_leading_bits() {
        let contains = |a, b| Network::read(a).unwrap().contains(&Network::read(b).unwrap());
        assert!(contains("198.51.100.0/24", "198.51.100.7"));
        assert!(contains("198.51.100.9/24", "198.51.100.128/25"));
        assert!(!contains("198.51.100.0/24", "198.51.101.0/25"));
        assert!(!contains("198.51.100.0/24", "198.51.100.0/23"));
        assert!(contains("0.0.0.0/0", "255.255.255.255") && contains("::/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::/48") && !contains("2001:db8::/32", "2001:db9::"));
        assert!(!contains("::/0", "1.2.3.4") && contains("1.2.3.4", "1.2.3.4/32"));
    }

    #[test]
    fn an_address_is_the_network_of_itself() {
        let other = |text| Network::other_spelling(text);
        assert_eq!(other("198.51.100.7").as_deref(), Some("198.51.100.7/32"));
        assert_eq!(other("198.51.100.7/32").as_deref(), Some("198.51.100.7"));
        assert_eq!(other("2001:db8::7/128").as_deref(), Some("2001:db8::7"));
        assert_eq!((other("198.51.100.0/24"), other("2001:db8::7/32"), other("host")), (None, None, None));
    }

    #[test]
    fn what_is_no_network_is_not_read() {
        for text in
            ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+8", "::/129", "example.com", "01.2.3.4", "1.2.3.4/8/8"]
        {
            assert_eq!(Network::read(text), None, "{text}");
        }
    }
}
