//! `ISSUBSET` and `ISSUPERSET`: networks as ranges of addresses.

use std::net::IpAddr;
use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use stix::network::Network;
use stix::pattern::Literal;

use super::scale::{Scale, scale, text_of};
use super::verdict::{Predicate, Typed, Verdict, no_scale};
use crate::map::{Family, Kind};

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
    match (typed.family, network.first()) {
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
    let (first, last) = (Sql::ip_address(network.first()), Sql::ip_address(network.last()));
    let is_network = typed.kind == Some(Kind::Network);
    let (includes_ipv4, prefix) = (network.includes_mapped_ipv4(), Sql::integer(network.prefix().into()));
    let within = move |v: &Sql| {
        let address = if is_network { sql!("split_part({}, '/', 1)", v) } else { v.clone() };
        let mut conditions = vec![sql!("TRY_CAST({} AS IPADDRESS) BETWEEN {} AND {}", address, first, last)];
        if includes_ipv4 {
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
    let (first, last) = (Sql::ip_address(network.first()), Sql::ip_address(network.last()));
    let contains: Predicate = if typed.kind == Some(Kind::Network) {
        Rc::new(move |v| sql!("(TRY(contains({}, {})) AND TRY(contains({}, {})))", v, first, v, last))
    } else if network.is_single_address() {
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
