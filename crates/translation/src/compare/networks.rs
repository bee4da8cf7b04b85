//! `ISSUBSET` and `ISSUPERSET`: networks as ranges of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use stix::pattern::Literal;

use super::scale::{Scale, scale};
use super::{Predicate, Typed, Verdict, no_scale, text_of};
use crate::map::{Family, Kind};

/// The first and the last address of a network, and the length of its prefix.
pub(super) struct Network {
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
    pub(super) prefix: u8,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
                (address.parse().ok()?, Some(prefix.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text.parse().ok()?, None),
        };
        match address {
            IpAddr::V4(address) => {
                let prefix = prefix.unwrap_or(32);
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = u32::from(address);
                (prefix <= 32).then(|| Self {
                    first: Ipv4Addr::from(bits & !host).into(),
                    last: Ipv4Addr::from(bits | host).into(),
                    prefix,
                })
            }
            IpAddr::V6(address) => {
                let prefix = prefix.unwrap_or(128);
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = u128::from(address);
                (prefix <= 128).then(|| Self {
                    first: Ipv6Addr::from(bits & !host).into(),
                    last: Ipv6Addr::from(bits | host).into(),
                    prefix,
                })
            }
        }
    }

    /// Whether the IPv4 addresses, which Trino's `ipaddress` keeps as `::ffff:a.b.c.d`, lie within an IPv6 network.
    fn swallows_ipv4(&self) -> bool {
        let (IpAddr::V6(first), IpAddr::V6(last)) = (self.first, self.last) else { return false };
        first <= Ipv4Addr::UNSPECIFIED.to_ipv6_mapped() && Ipv4Addr::BROADCAST.to_ipv6_mapped() <= last
    }
}

pub(super) fn network(literal: &Literal, operator: &str) -> Result<Network, Verdict> {
    let text = text_of(literal, operator)?;
    Network::parse(text).ok_or_else(|| Verdict::Refused {
        message: format!("{text:?} is neither an address nor a network"),
        help: "write it as '198.51.100.0/24' or '2001:db8::/32'".to_owned(),
    })
}

pub(super) fn subset(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let network = match network(literal, "ISSUBSET") {
        Ok(network) => network,
        Err(refused) => return refused,
    };
    match (typed.family, network.first) {
        (Some(Family::Ipv4), IpAddr::V6(_)) if !negated => {
            return Verdict::never("an IPv4 address lies in no IPv6 network");
        }
        (Some(Family::Ipv6), IpAddr::V4(_)) if !negated => {
            return Verdict::never("an IPv6 address lies in no IPv4 network");
        }
        _ => {}
    }
    match scale(typed) {
        Some(Scale::Text { .. }) => {}
        Some(_) => return Verdict::never("ISSUBSET compares addresses, and the column holds none"),
        None => return no_scale(typed),
    }
    let (first, last) = (Sql::ip_address(network.first), Sql::ip_address(network.last));
    let is_network = typed.kind == Some(Kind::Network);
    let (swallows_ipv4, prefix) = (network.swallows_ipv4(), Sql::integer(network.prefix.into()));
    let within = move |v: &Sql| {
        let address = if is_network { sql!("split_part({}, '/', 1)", v) } else { v.clone() };
        let mut conditions = vec![sql!("TRY_CAST({} AS IPADDRESS) BETWEEN {} AND {}", address, first, last)];
        if swallows_ipv4 {
            conditions.push(sql!("{} LIKE '%:%'", v));
        }
        if is_network {
            conditions.push(sql!("TRY_CAST(split_part({}, '/', 2) AS integer) >= {}", v, prefix));
        }
        Sql::and(conditions)
    };
    if negated {
        Verdict::test(move |v| sql!("({} IS NOT NULL AND NOT COALESCE({}, FALSE))", v, within(v)))
    } else {
        Verdict::test(within)
    }
}

pub(super) fn superset(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let network = match network(literal, "ISSUPERSET") {
        Ok(network) => network,
        Err(refused) => return refused,
    };
    match scale(typed) {
        Some(Scale::Text { .. }) => {}
        Some(_) => return Verdict::never("ISSUPERSET compares networks, and the column holds none"),
        None => return no_scale(typed),
    }
    let (first, last) = (Sql::ip_address(network.first), Sql::ip_address(network.last));
    let contains: Predicate = if typed.kind == Some(Kind::Network) {
        Rc::new(move |v| sql!("(TRY(contains({}, {})) AND TRY(contains({}, {})))", v, first, v, last))
    } else if network.first == network.last {
        Rc::new(move |v| sql!("TRY_CAST({} AS IPADDRESS) = {}", v, first))
    } else if negated {
        return Verdict::test(|v| sql!("{} IS NOT NULL", v));
    } else {
        return Verdict::never("a single address holds no network");
    };
    if negated {
        Verdict::test(move |v| sql!("({} IS NOT NULL AND NOT COALESCE({}, FALSE))", v, contains(v)))
    } else {
        Verdict::Test(contains)
    }
}
