//! The environment of the function as one typed value.

use function::{ConfigurationError, Variables};

/// What the environment says, checked as far as that goes without reading anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// `SLUICE_STATE`: where is kept how far each rule has come.
    pub(crate) state: String,
    /// `SLUICE_TOPIC`: ARN of the SNS topic that findings go to.
    pub(crate) topic: String,
    /// `SLUICE_FINDINGS`: where findings are kept as files that come into the lake; nowhere if it is not set.
    pub(crate) findings: Option<String>,
    /// `SLUICE_WORKGROUP`: the workgroup that queries run in, and whose state changes concern this function.
    pub(crate) workgroup: String,
    /// `SLUICE_DATABASE`: the database of the lake's tables.
    pub(crate) database: String,
    /// `SLUICE_CATALOG`: Athena's data catalog; its own where nothing is said.
    pub(crate) catalog: Option<String>,
    /// `SLUICE_RULES`: a folder or `s3://bucket/prefix/` of rule files in place of the shipped ones.
    pub(crate) rules: Option<String>,
    /// `SLUICE_ACCOUNT`, where it is an account: findings whose rows name none name it.
    pub(crate) account: Option<String>,
    /// `AWS_REGION`
    pub(crate) region: Option<String>,
}

impl Configuration {
    /// Reads the configuration; `variable` looks one up.
    ///
    /// # Errors
    /// [`ConfigurationError`] for the first variable that is missing or wrong.
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let variables = Variables::new(&variable);
        let state = variables.required("SLUICE_STATE", "Give the bucket of the state as s3://bucket")?;
        variables.location("SLUICE_STATE")?;
        let is_account = |account: &String| account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
        Ok(Self {
            state,
            topic: topic(variables.required("SLUICE_TOPIC", TOPIC_REMEDY)?)?,
            findings: variables.location("SLUICE_FINDINGS")?,
            workgroup: variables.required("SLUICE_WORKGROUP", "Give the name of the workgroup that queries run in")?,
            database: variables.required("SLUICE_DATABASE", "Give the Glue database of the lake's tables")?,
            catalog: variables.read("SLUICE_CATALOG"),
            rules: variables.location("SLUICE_RULES")?,
            account: variables.read("SLUICE_ACCOUNT").filter(is_account),
            region: variables.read("AWS_REGION"),
        })
    }
}

const TOPIC_REMEDY: &str = "Give the ARN of an SNS topic, as arn:aws:sns:eu-central-1:111122223333:findings";

fn topic(arn: String) -> Result<String, ConfigurationError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "sns", region, account, name] if ![region, account, name].iter().any(|part| part.is_empty()) => {
            Ok(arn)
        }
        _ => Err(ConfigurationError::new("SLUICE_TOPIC", format!("is `{arn}`, which is no topic"), TOPIC_REMEDY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Configuration, String> {
        let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Configuration::from_environment(look_up).map_err(|error| error.to_string())
    }

    const NEEDED: [(&str, &str); 4] = [
        ("SLUICE_STATE", "s3://state"),
        ("SLUICE_TOPIC", "arn:aws:sns:eu-central-1:111122223333:findings"),
        ("SLUICE_WORKGROUP", "detections"),
        ("SLUICE_DATABASE", "lake"),
    ];

    #[test]
    fn four_variables_are_enough() {
        let expected = Configuration {
            state: "s3://state".to_owned(),
            topic: "arn:aws:sns:eu-central-1:111122223333:findings".to_owned(),
            findings: None,
            workgroup: "detections".to_owned(),
            database: "lake".to_owned(),
            catalog: None,
            rules: None,
            account: None,
            region: None,
        };
        assert_eq!(read(&NEEDED).unwrap(), expected);
        let empty = ["SLUICE_FINDINGS", "SLUICE_CATALOG", "SLUICE_RULES", "SLUICE_ACCOUNT", "AWS_REGION"]
            .map(|name| (name, " "));
        assert_eq!(read(&[&NEEDED[..], &empty[..]].concat()).unwrap(), expected);
    }

    #[test]
    fn only_an_account_of_aws_is_one_in_a_finding() {
        let account = |value| read(&[&NEEDED[..], &[("SLUICE_ACCOUNT", value)]].concat()).unwrap().account;
        assert_eq!(account("111122223333").as_deref(), Some("111122223333"));
        assert_eq!(account("external_acme"), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_variable_and_the_way_out() {
        for missing in 0..NEEDED.len() {
            let mut variables = NEEDED.to_vec();
            let (name, _) = variables.remove(missing);
            let error = read(&variables).unwrap_err();
            assert!(error.starts_with(&format!("{name} is not set. Give the ")), "{error}");
        }
        let with = |name, value| read(&[&[(name, value)], &NEEDED[..]].concat()).unwrap_err();
        assert_eq!(
            with("SLUICE_TOPIC", "findings"),
            "SLUICE_TOPIC is `findings`, which is no topic. Give the ARN of an SNS topic, as \
             arn:aws:sns:eu-central-1:111122223333:findings."
        );
        assert_eq!(
            with("SLUICE_RULES", "gs://rules"),
            "SLUICE_RULES is `gs://rules`, which is neither s3:// nor a folder. Write s3://bucket or s3://bucket/prefix."
        );
    }
}
