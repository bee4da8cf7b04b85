//! Addresses and networks in CIDR form, of IPv4 and IPv6.
//!
//! What is in a network and how an address may be written is decided here alone, so that a pattern means the same over
//! objects, where [`matcher`](crate::matcher) asks, and over tables, for which `translation` writes SQL. Containment is that of
//! Trino's `IPADDRESS`, which keeps an IPv4 address as `::ffff:a.b.c.d`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The length of the prefix that all IPv4 addresses share as `::ffff:a.b.c.d`.
const IPV4_BITS: u32 = 96;

/// A network, or a single address as the network that holds only itself.
///
/// ```
/// let network = stix::network::Network::parse("198.51.100.7/24").unwrap();
/// assert_eq!((network.first().to_string(), network.last().to_string()), ("198.51.100.0".into(), "198.51.100.255".into()));
/// assert_eq!((network.prefix(), network.is_single_address()), (24, false));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The 128 bits of the IPv6 form: `::ffff:a.b.c.d` for IPv4. Bits after the prefix are kept as written.
    bits: u128,
    /// The length of the prefix in the IPv6 form, 0 to 128.
    prefix: u32,
    /// Whether it is written as IPv6.
    is_v6: bool,
}

impl Network {
    /// Reads `198.51.100.0/24`, `2001:db8::/32` or `198.51.100.7`; `None` for other text. Bits after the prefix may be set.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let (bits, is_v6, most) = match address.parse().ok()? {
            IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), false, 32),
            IpAddr::V6(address) => (address.to_bits(), true, 128),
        };
        let prefix = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= most)?
            }
            Some(_) => return None,
        };
        Some(Network { bits, prefix: prefix + 128 - most, is_v6 })
    }

    /// The first address, in the family in which the network is written.
    pub fn first(&self) -> IpAddr {
        self.address(self.bits & !self.host_bits())
    }

    /// The last address, in the family in which the network is written.
    pub fn last(&self) -> IpAddr {
        self.address(self.bits | self.host_bits())
    }

    /// The length of the prefix as it is written: 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub fn prefix(&self) -> u32 {
        if self.is_v6 { self.prefix } else { self.prefix - IPV4_BITS }
    }

    /// Whether it holds only one address.
    pub fn is_single_address(&self) -> bool {
        self.prefix == 128
    }

    /// Whether it is written as IPv6 and its range includes `::ffff:0.0.0.0` to `::ffff:255.255.255.255`, which is how Trino's
    /// `IPADDRESS` keeps all IPv4 addresses.
    pub fn includes_mapped_ipv4(&self) -> bool {
        let mapped = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().to_bits();
        self.is_v6 && self.prefix <= IPV4_BITS && (self.bits ^ mapped) & !self.host_bits() == 0
    }

    fn host_bits(&self) -> u128 {
        u128::MAX.checked_shr(self.prefix).unwrap_or(0)
    }

    fn address(&self, bits: u128) -> IpAddr {
        let address = Ipv6Addr::from_bits(bits);
        match address.to_ipv4_mapped() {
            Some(address) if !self.is_v6 => address.into(),
            _ => address.into(),
        }
    }

    /// Whether every address of `other` is also in this network. An IPv6 network that includes all mapped IPv4 addresses,
    /// such as `::/0`, contains no address that is written as IPv4.
    pub(crate) fn contains(&self, other: &Network) -> bool {
        let differing = self.bits ^ other.bits;
        let is_of_family = other.is_v6 || !self.is_v6 || self.prefix > IPV4_BITS;
        is_of_family && self.prefix <= other.prefix && differing.checked_shr(128 - self.prefix).unwrap_or(0) == 0
    }
}

/// The address that a text is, alone or as the network of just that address, and how it is written: STIX 2.1, 6.9 and
/// 6.10, has single addresses with `/32` and `/128`.
///
/// ```
/// let (address, written) = stix::network::single_address("2001:DB8:0::7/128").unwrap();
/// assert_eq!((address.to_string().as_str(), written), ("2001:db8::7", "2001:DB8:0::7"));
/// assert_eq!(stix::network::single_address("198.51.100.0/24"), None);
/// ```
pub fn single_address(text: &str) -> Option<(IpAddr, &str)> {
    let (written, prefix) = text.split_once('/').map_or((text, None), |(written, prefix)| (written, Some(prefix)));
    let address: IpAddr = written.parse().ok()?;
    let whole = if address.is_ipv4() { "32" } else { "128" };
    prefix.is_none_or(|prefix| prefix == whole).then_some((address, written))
}

/// The texts that stand for one address. Case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spellings {
    /// The address: as the pattern has it, and in its short form if that is another.
    pub alone: Vec<String>,
    /// The same as networks of just that address.
    pub networks: Vec<String>,
}

impl Spellings {
    /// Of a text that is a single address.
    ///
    /// ```
    /// let spellings = stix::network::Spellings::of("2001:DB8:0::7").unwrap();
    /// assert_eq!(spellings.alone, ["2001:DB8:0::7", "2001:db8::7"]);
    /// assert_eq!(spellings.networks, ["2001:DB8:0::7/128", "2001:db8::7/128"]);
    /// ```
    pub fn of(text: &str) -> Option<Spellings> {
        let (address, written) = single_address(text)?;
        let mut alone = vec![written.to_owned()];
        let short = address.to_string();
        if !short.eq_ignore_ascii_case(written) {
            alone.push(short);
        }
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        let networks = alone.iter().map(|address| format!("{address}/{prefix}")).collect();
        Some(Spellings { alone, networks })
    }

    /// Whether the text is one of them.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.alone.iter().chain(&self.networks).any(|spelling| spelling.eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_leading_bits() {
        let contains = |a, b| Network::parse(a).unwrap().contains(&Network::parse(b).unwrap());
        assert!(contains("198.51.100.0/24", "198.51.100.7"));
        assert!(contains("198.51.100.9/24", "198.51.100.128/25"));
        assert!(!contains("198.51.100.0/24", "198.51.101.0/25"));
        assert!(!contains("198.51.100.0/24", "198.51.100.0/23"));
        assert!(contains("0.0.0.0/0", "255.255.255.255") && contains("::/0", "2001:db8::1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::/48") && !contains("2001:db8::/32", "2001:db9::"));
        assert!(!contains("::/0", "1.2.3.4") && contains("1.2.3.4", "1.2.3.4/32"));
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_the_form_of_ipv6() {
        let contains = |a, b| Network::parse(a).unwrap().contains(&Network::parse(b).unwrap());
        assert!(
            contains("198.51.100.0/24", "::ffff:198.51.100.7") && contains("::ffff:198.51.100.0/120", "198.51.100.7")
        );
        assert!(contains("::/0", "::ffff:198.51.100.7") && !contains("::ffff:0:0/96", "198.51.100.7"));
        assert!(!contains("198.51.100.0/24", "::ffff:198.51.101.7") && !contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn an_address_is_the_network_of_itself() {
        let is_same = |a, b| Spellings::of(a).is_some_and(|spellings| spellings.contains(b));
        assert!(is_same("198.51.100.7", "198.51.100.7/32") && is_same("198.51.100.7/32", "198.51.100.7"));
        assert!(is_same("2001:db8::7/128", "2001:db8::7") && is_same("2001:DB8:0::7", "2001:db8::7/128"));
        assert!(!is_same("198.51.100.7", "198.51.100.8"));
        assert_eq!(
            (Spellings::of("198.51.100.0/24"), Spellings::of("2001:db8::7/32"), Spellings::of("host")),
            (None, None, None)
        );
    }

    #[test]
    fn a_network_is_a_range_of_addresses_of_its_family() {
        let range = |text| {
            let network = Network::parse(text).unwrap();
            format!("{} {} {} {}", network.first(), network.last(), network.prefix(), network.includes_mapped_ipv4())
        };
        assert_eq!(range("198.51.100.7"), "198.51.100.7 198.51.100.7 32 false");
        assert_eq!(range("0.0.0.0/0"), "0.0.0.0 255.255.255.255 0 false");
        assert_eq!(range("::ffff:198.51.100.7/120"), "::ffff:198.51.100.0 ::ffff:198.51.100.255 120 false");
        assert_eq!(range("::ffff:1.2.3.4/96"), "::ffff:0.0.0.0 ::ffff:255.255.255.255 96 true");
        assert_eq!(range("2001:db8::1/32"), "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 32 false");
        assert_eq!(range("::/0"), ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 0 true");
    }

    #[test]
    fn what_is_no_network_is_not_read() {
        for text in
            ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+8", "::/129", "example.com", "01.2.3.4", "1.2.3.4/8/8"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
