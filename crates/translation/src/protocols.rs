//! Protocols by number and by name (IANA, Assigned Internet Protocol Numbers), as far as logs have them.

/// Numbers with their names, the usual one first.
const PROTOCOLS: &[(i64, &[&str])] = &[
    (0, &["hopopt"]),
    (1, &["icmp"]),
    (2, &["igmp"]),
    (4, &["ipip", "ip-in-ip"]),
    (6, &["tcp"]),
    (8, &["egp"]),
    (9, &["igp"]),
    (17, &["udp"]),
    (27, &["rdp"]),
    (33, &["dccp"]),
    (43, &["ipv6-route"]),
    (44, &["ipv6-frag"]),
    (46, &["rsvp"]),
    (47, &["gre"]),
    (50, &["esp"]),
    (51, &["ah"]),
    (58, &["ipv6-icmp", "icmp6", "icmpv6"]),
    (59, &["ipv6-nonxt"]),
    (60, &["ipv6-opts"]),
    (88, &["eigrp"]),
    (89, &["ospf", "ospfigp"]),
    (94, &["ipip-encapsulation"]),
    (97, &["etherip"]),
    (98, &["encap"]),
    (103, &["pim"]),
    (108, &["ipcomp"]),
    (112, &["vrrp"]),
    (115, &["l2tp"]),
    (132, &["sctp"]),
    (135, &["mobility-header"]),
    (136, &["udplite"]),
    (137, &["mpls-in-ip"]),
];

/// The number of a name, or the number itself in digits.
pub(crate) fn number(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    PROTOCOLS.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(text))).map(|(n, _)| *n)
}

/// The usual name of a number.
pub(crate) fn name(number: i64) -> Option<&'static str> {
    PROTOCOLS.iter().find(|(known, _)| *known == number).and_then(|(_, names)| names.first().copied())
}

/// 4 or 6 of `ipv4` or `ipv6`.
pub(crate) fn version(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("ipv4") {
        Some(4)
    } else if text.eq_ignore_ascii_case("ipv6") {
        Some(6)
    } else {
        None
    }
}

/// The numbers of which some name satisfies a test.
pub(crate) fn numbers_by_name(satisfies: impl Fn(&str) -> bool) -> Vec<i64> {
    PROTOCOLS.iter().filter(|(_, names)| names.iter().any(|name| satisfies(name))).map(|(n, _)| *n).collect()
}
