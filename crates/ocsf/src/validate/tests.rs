use proptest::prelude::*;

use super::*;

#[test]
fn every_pattern_compiles() {
    for version in Version::ALL {
        let schema = Schema::get(version);
        for &scalar in ScalarType::ALL {
            let has_pattern = schema.type_facts(scalar).regex.is_some() && scalar != ScalarType::Ip;
            assert_eq!(Patterns::of(schema).of_type(scalar).is_some(), has_pattern, "{version} {scalar}");
        }
    }
}

proptest! {
    /// `is_ip` is stricter than OCSF's pattern, never laxer.
    #[test]
    fn what_is_an_address_here_is_one_for_ocsf(text in prop_oneof![
        any::<Ipv6Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        "[0-9a-f:]{2,39}",
        "(([0-9a-f]{1,4}:){0,7}:?){1,2}([0-9a-f]{1,4}|[0-9]{1,3}(\\.[0-9]{1,3}){3})(%[a-z0-9]{1,4})?",
    ]) {
        static PATTERN: OnceLock<Regex> = OnceLock::new();
        let pattern = PATTERN.get_or_init(|| {
            let pattern = Schema::get(Version::V1_1_0).type_facts(ScalarType::Ip).regex.unwrap();
            RegexBuilder::new(pattern).unicode(false).build().unwrap()
        });
        prop_assert!(!is_ip(&text) || pattern.is_match(text.as_bytes()), "{text}");
    }
}
