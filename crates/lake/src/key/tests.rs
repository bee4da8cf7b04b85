use super::*;
use proptest::prelude::*;

fn partitions() -> impl Strategy<Value = Partition> {
    (
        "[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,19}",
        proptest::option::of("[A-Z_0-9]{1,30}"),
        "[a-z]{2,4}(-[a-z]{2,9}){1,2}-[1-9]",
        "[0-9]{12}|external|external_[A-Za-z0-9._-]{1,64}",
        -719_528..=2_932_896_i32,
    )
        .prop_map(|(source, class, region, account, days)| Partition {
            source: source.parse().unwrap(),
            class: class.map(|class| class.parse().unwrap()),
            region: region.parse().unwrap(),
            account: account.parse().unwrap(),
            day: EventDay { days },
        })
}

proptest! {
    #[test]
    fn every_key_reads_back_as_itself(
        partition in partitions(),
        label in ".{0,150}",
        identity in proptest::collection::vec(".{0,20}", 0..4),
        part: u32,
    ) {
        let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
        let key = partition.object(ObjectName::derive(&label, &identity, part));
        prop_assert_eq!(key.to_string().parse::<ObjectKey>(), Ok(key));
    }

    #[test]
    fn whatever_parses_as_a_key_prints_as_it_was_written(
        text in "(ext|Ext)/[a-z.]{0,3}/([A-Z]{1,3}/)?region=(us|u)-[a-z]{1,3}-[0-9]{1,3}/accountId=([0-9]{12,13}|external_?[a-z]?)\
            /eventDay=[0-9]{4}[01][0-9][0-3][0-9]/[a-z._]{0,3}[.]zstd[.]parquet/?"
    ) {
        if let Ok(key) = text.parse::<ObjectKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn the_event_day_is_the_utc_day_of_the_calendar(millis in -62_167_219_200_000_i64..253_402_207_200_000) {
        let date = jiff::Timestamp::from_millisecond(millis).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
        let day = EventDay::of_millis(millis).unwrap();
        prop_assert_eq!(day.to_string(), date.strftime("%Y%m%d").to_string());
        prop_assert_eq!(day.to_string().parse::<EventDay>(), Ok(day));
        prop_assert!(day.contains_millis(millis));
        prop_assert!(day.start_millis() <= millis && millis < day.start_millis() + 86_400_000);
    }

    #[test]
    fn any_time_has_a_day_or_an_error(millis: i64) {
        if let Ok(day) = EventDay::of_millis(millis) {
            prop_assert_eq!(day.to_string().len(), 8);
        }
    }
}

#[test]
fn the_event_day_changes_at_midnight_utc_also_before_1970() {
    let day = |millis| EventDay::of_millis(millis).unwrap().to_string();
    assert_eq!(day(0), "19700101");
    assert_eq!(day(-1), "19691231");
    assert_eq!(day(86_399_999), "19700101");
    assert_eq!(day(86_400_000), "19700102");
    assert_eq!(day(951_782_400_000), "20000229");
    assert_eq!(day(-62_167_219_200_000), "00000101");
    assert_eq!(day(253_402_300_799_999), "99991231");
    let named = [EventDay::FIRST, EventDay::EPOCH, EventDay::LAST].map(|day| day.to_string());
    assert_eq!(named, ["00000101", "19700101", "99991231"]);
}

#[test]
fn a_time_that_no_day_can_name_is_refused() {
    for millis in [i64::MIN, i64::MAX, 253_402_300_800_000, -62_167_219_200_001] {
        assert_eq!(EventDay::of_millis(millis), Err(KeyError::Time(millis)));
    }
}

#[test]
fn only_real_days_are_days() {
    for text in ["20230229", "20231301", "2023-1-1", "2023111", "202311140", "+2023114", "", "２０２３１１"] {
        assert_eq!(text.parse::<EventDay>(), Err(KeyError::EventDay(text.to_owned())), "{text}");
    }
}

#[test]
fn a_source_name_cannot_be_longer_than_twenty_characters_or_leave_its_folder() {
    assert!("a".repeat(20).parse::<SourceName>().is_ok());
    assert!("win:sys_mon.v-1".parse::<SourceName>().is_ok());
    for text in ["", ".", "..", "a/b", "a b", "süd", "a\0", "a\n", &"a".repeat(21)] {
        assert!(text.parse::<SourceName>().is_err(), "{text:?}");
    }
}

#[test]
fn accounts_are_twelve_digits_or_external() {
    for text in ["123456789012", "external", "external_okta-7.x"] {
        assert!(text.parse::<AccountId>().is_ok(), "{text}");
    }
    for text in
        ["12345678901", "1234567890123", "12345678901a", "external_", "external-x", "external_a/b", "", "External"]
    {
        assert!(text.parse::<AccountId>().is_err(), "{text}");
    }
}

#[test]
fn regions_have_the_form_of_regions() {
    for text in ["us-east-1", "us-gov-west-1", "ap-southeast-5", "us-isob-east-1", "eusc-de-east-1"] {
        assert!(text.parse::<Region>().is_ok(), "{text}");
    }
    for text in ["", "-", "us-1", "us--1", "US-EAST-1", "us-east-", "us-east-1/", "us-east-1a", "us-east-100"] {
        assert!(text.parse::<Region>().is_err(), "{text}");
    }
}

#[test]
fn the_class_folder_appears_only_in_the_layout_that_has_it() {
    assert_eq!(Layout::SourcePerClass.class_prefix("process_activity"), Ok(None));
    let prefix = |class| Layout::PrefixPerClass.class_prefix(class).map(|prefix| prefix.unwrap().to_string());
    assert_eq!(prefix("process_activity"), Ok("PROCESS_ACTIVITY".to_owned()));
    assert_eq!(prefix("win/registry_key_activity"), Ok("REGISTRY_KEY_ACTIVITY".to_owned()));
    assert_eq!(prefix("FILE_SYSTEM_ACTIVITY"), Ok("FILE_SYSTEM_ACTIVITY".to_owned()));
    assert!(prefix("region=x").is_err());
    assert!(prefix("").is_err());
}

#[test]
fn object_names_are_visible_to_athena_and_safe() {
    for label in ["_hidden", ".hidden", "../..", "", "\0", "ä/ö"] {
        let name = ObjectName::derive(label, &[label], 0);
        assert_eq!(name.as_str().parse::<ObjectName>().as_ref(), Ok(&name), "{label:?}");
    }
}

#[test]
fn different_inputs_never_share_a_name() {
    let name = |identity: &[&str], part| ObjectName::derive("x", identity, part);
    assert_ne!(name(&["ab", "c"], 0), name(&["a", "bc"], 0));
    assert_ne!(name(&["ab"], 0), name(&["ab", ""], 0));
    assert_ne!(name(&["ab"], 0), name(&["ab"], 1));
    assert_eq!(name(&["ab"], 0), name(&["ab"], 0));
}

#[test]
fn a_wrong_key_is_told_which_segment_is_wrong() {
    let good = "ext/sysmon/region=us-east-1/accountId=123456789012/eventDay=20231114/a.zstd.parquet";
    assert!(good.parse::<ObjectKey>().is_ok());
    for (from, to, message) in [
        ("ext/", "/ext/", r#"segment 1 of the key is "", expected `ext`"#),
        ("region=", "Region=", r#"segment 3 of the key is "Region=us-east-1", expected `region=<region>`"#),
        (
            "accountId=",
            "accountid=",
            r#"segment 4 of the key is "accountid=123456789012", expected `accountId=<account>`"#,
        ),
        (
            "20231114",
            "20231131",
            r#"segment 5 of the key: "20231131" is not a day: a date of the calendar as YYYYMMDD"#,
        ),
        (".zstd.parquet", ".gz.parquet", r#"segment 6 of the key is "a.gz.parquet", expected `<name>.zstd.parquet`"#),
        ("/a.zstd.parquet", "", r#"segment 6 of the key is "", expected `<name>.zstd.parquet`"#),
        (".zstd.parquet", ".zstd.parquet/", r#"segment 7 of the key is "", expected nothing after the object's name"#),
        (
            "sysmon/",
            "sysmon/Process/",
            r#"segment 3 of the key: "Process" is not an event class: upper-case letters, digits and '_', as PROCESS_ACTIVITY"#,
        ),
        (
            "/a.zstd",
            "/_a.zstd",
            r#"segment 6 of the key: "_a" is not an object name: Athena ignores objects whose name begins with '_' or '.'"#,
        ),
    ] {
        let error = good.replacen(from, to, 1).parse::<ObjectKey>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
