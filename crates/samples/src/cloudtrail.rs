//! AWS CloudTrail events of an invented organization: what its people, roles and the services that act for them do, in
//! the form and order of fields in which CloudTrail writes them. `cloudtrail.json` says who there is and what is called,
//! by whom and how often.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::period::{Clock, Period, format_time};
use crate::random::Random;
use crate::world::public_address;

/// What `cloudtrail.json` holds.
#[derive(Default, Deserialize)]
struct World {
    /// `userIdentity` of each caller that has one.
    identities: HashMap<By, Value>,
    calls: Vec<Call>,
}

/// A kind of call, as `cloudtrail.json` has it. Texts in it may hold [`Slot`]s.
#[derive(Deserialize)]
struct Call {
    kind: String,
    /// How many of about 10,000 events are of this kind.
    share: u64,
    by: By,
    source: String,
    name: String,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    error: Fault,
    request: Option<Value>,
    response: Option<Value>,
    additional: Option<Value>,
    details: Option<Value>,
    resources: Option<Value>,
    #[serde(rename = "type", default = "api_call")]
    event_type: String,
    #[serde(default = "management")]
    category: String,
}

#[derive(Default, Deserialize)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
}

fn api_call() -> String {
    "AwsApiCall".to_owned()
}

fn management() -> String {
    "Management".to_owned()
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    /// A person with an access key.
    User,
    /// A person in the console, with a session.
    Console,
    /// A person who signs in: no session yet.
    SignIn,
    Root,
    /// An instance with its profile.
    Instance,
    /// A deployment with a role that it took over.
    Deployment,
    /// A service for itself.
    Service,
    /// A service on behalf of a person.
    ServiceForUser,
    OtherAccount,
    WebIdentity,
    Saml,
    /// Nobody: a service reports something.
    Event,
    /// Nobody: CloudTrail noticed something.
    Insight,
}

impl By {
    /// Whether a service calls, from inside AWS.
    fn is_service(self) -> bool {
        matches!(self, By::Service | By::ServiceForUser | By::Event)
    }
}

/// What stands in a text as `<name>`: a value of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Time,
    /// When the caller's session began.
    Creation,
    Account,
    Region,
    Address,
    Agent,
    User,
    UserId,
    AccessKey,
    Role,
    RoleId,
    Session,
    Instance,
    Arn,
    Service,
    Bucket,
    Key,
    /// A small number, the same throughout an event.
    Number,
    /// A UUID, another one at each place.
    Uuid,
    /// 32 hexadecimal digits, others at each place.
    Digits,
    /// 16 letters and digits in upper case, others at each place.
    Id,
}

const SLOTS: [(&str, Slot); 21] = [
    ("time", Slot::Time),
    ("creation", Slot::Creation),
    ("account", Slot::Account),
    ("region", Slot::Region),
    ("address", Slot::Address),
    ("agent", Slot::Agent),
    ("user", Slot::User),
    ("userid", Slot::UserId),
    ("accesskey", Slot::AccessKey),
    ("role", Slot::Role),
    ("roleid", Slot::RoleId),
    ("session", Slot::Session),
    ("instance", Slot::Instance),
    ("arn", Slot::Arn),
    ("service", Slot::Service),
    ("bucket", Slot::Bucket),
    ("key", Slot::Key),
    ("n", Slot::Number),
    ("uuid", Slot::Uuid),
    ("id", Slot::Digits),
    ("id16", Slot::Id),
];

/// A call as text with slots.
struct Template {
    share: u64,
    by: By,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Slot(Slot),
}

/// Kinds and their templates, in the order of `cloudtrail.json`.
static TEMPLATES: LazyLock<Vec<(String, Template)>> = LazyLock::new(|| {
    // A test reads the file; there is nothing to be done about a fault here.
    let world: World = serde_json::from_str(include_str!("cloudtrail.json")).unwrap_or_default();
    let template = |call: &Call| (call.kind.clone(), Template::of(call, world.identities.get(&call.by)));
    world.calls.iter().map(template).collect()
});

impl Template {
    fn of(call: &Call, identity: Option<&Value>) -> Template {
        let action = format!("{}:{}", call.source.split('.').next().unwrap_or_default(), call.name);
        Template { share: call.share, by: call.by, parts: parts(&text_of(call, identity).replace("<action>", &action)) }
    }
}

/// The event, with the fields in CloudTrail's order.
fn text_of(call: &Call, identity: Option<&Value>) -> String {
    let mut members: Vec<String> = Vec::new();
    let mut push = |name: &str, value: &str| members.push(format!("\"{name}\":{value}"));
    let text = |text: &str| Value::from(text).to_string();
    let or_null = |value: &Option<Value>| value.as_ref().map_or("null".to_owned(), Value::to_string);

    push("eventVersion", "\"1.09\"");
    if call.by == By::Insight {
        push("eventTime", "\"<time>\"");
        push("awsRegion", "\"<region>\"");
        push("eventID", "\"<uuid>\"");
        push("eventType", &text(&call.event_type));
        push("recipientAccountId", "\"<account>\"");
        push("sharedEventID", "\"<uuid>\"");
        push("insightDetails", &or_null(&call.details));
        push("eventCategory", &text(&call.category));
        return format!("{{{}}}", members.join(","));
    }
    push("userIdentity", &identity.map_or("null".to_owned(), Value::to_string));
    push("eventTime", "\"<time>\"");
    push("eventSource", &text(&call.source));
    push("eventName", &text(&call.name));
    push("awsRegion", "\"<region>\"");
    push("sourceIPAddress", if call.by.is_service() { "\"<service>\"" } else { "\"<address>\"" });
    push("userAgent", if call.by.is_service() { "\"<service>\"" } else { "\"<agent>\"" });
    for (name, value) in [("errorCode", &call.error.code), ("errorMessage", &call.error.message)] {
        if let Some(value) = value {
            push(name, &text(value));
        }
    }
    push("requestParameters", &or_null(&call.request));
    push("responseElements", &or_null(&call.response));
    if let Some(additional) = &call.additional {
        push("additionalEventData", &additional.to_string());
    }
    // Sign-ins and what services report have no request.
    if call.event_type == "AwsApiCall" {
        push("requestID", "\"<uuid>\"");
    }
    push("eventID", "\"<uuid>\"");
    push("readOnly", if call.read_only { "true" } else { "false" });
    if let Some(resources) = &call.resources {
        push("resources", &resources.to_string());
    }
    push("eventType", &text(&call.event_type));
    push("managementEvent", if call.category == "Management" { "true" } else { "false" });
    push("recipientAccountId", "\"<account>\"");
    if let Some(details) = &call.details {
        push("serviceEventDetails", &details.to_string());
    }
    if call.by == By::Service {
        push("sharedEventID", "\"<uuid>\"");
    }
    if call.category != "Management" {
        push("vpcEndpointId", "\"vpce-0a1b2c3d4e5f60718\"");
    }
    push("eventCategory", &text(&call.category));
    if !call.by.is_service() {
        let host = format!("\"{}.<region>.amazonaws.com\"", call.source.split('.').next().unwrap_or_default());
        push(
            "tlsDetails",
            &format!(
                r#"{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":{host}}}"#
            ),
        );
    }
    if call.by == By::Console {
        push("sessionCredentialFromConsole", "\"true\"");
    }
    format!("{{{}}}", members.join(","))
}

/// Cuts a text at its slots. What stands between `<` and `>` and is no slot is text.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        let slot = after.split_once('>').and_then(|(name, after)| {
            let (_, slot) = SLOTS.iter().find(|(known, _)| *known == name)?;
            Some((*slot, after))
        });
        if let Some((slot, after)) = slot {
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Slot(slot));
            rest = after;
        } else {
            plain.push('<');
            rest = after;
        }
    }
    plain.push_str(rest);
    parts.push(Part::Text(plain));
    parts
}

/// The names of all kinds of CloudTrail events, the frequent ones first.
pub fn cloudtrail_kinds() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|(kind, _)| kind.as_str())
}

/// Events in about the proportions of an organization with a few busy accounts, without end.
pub fn cloudtrail(seed: u64) -> CloudTrail {
    CloudTrail::new(seed, Period::default())
}

/// One event of that kind; `None` if there is no such kind.
///
/// ```
/// assert!(samples::cloudtrail_event("root-console-login", 1).unwrap().contains(r#""type":"Root""#));
/// assert!(samples::cloudtrail_event("tea", 1).is_none());
/// ```
pub fn cloudtrail_event(kind: &str, seed: u64) -> Option<String> {
    cloudtrail(seed).event(kind)
}

/// A log file as CloudTrail puts it into a bucket, before compression.
///
/// ```
/// let file = samples::cloudtrail_file(samples::cloudtrail(1).take(2));
/// assert!(file.starts_with(r#"{"Records":[{"eventVersion":"#) && file.ends_with("}]}"));
/// ```
pub fn cloudtrail_file(events: impl Iterator<Item = String>) -> String {
    format!("{{\"Records\":[{}]}}", events.collect::<Vec<_>>().join(","))
}

/// An endless stream of CloudTrail events, each a line of JSON without its line feed.
#[derive(Clone, Debug)]
pub struct CloudTrail {
    random: Random,
    clock: Clock,
}

impl CloudTrail {
    /// A stream of the given seed and times.
    pub fn new(seed: u64, period: Period) -> CloudTrail {
        CloudTrail { random: Random::new(seed), clock: Clock::new(period) }
    }

    /// The next event, of the kind asked for; `None` if there is no such kind.
    pub fn event(&mut self, kind: &str) -> Option<String> {
        let (_, template) = TEMPLATES.iter().find(|(known, _)| known == kind)?;
        Some(self.write(template))
    }

    fn write(&mut self, template: &Template) -> String {
        let random = &mut self.random;
        let time = self.clock.tick(random);
        let facts = Facts::draw(template.by, time, random);
        let mut line = String::with_capacity(1_536);
        for part in &template.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Slot(slot) => facts.push(*slot, random, &mut line),
            }
        }
        line
    }
}

impl Iterator for CloudTrail {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut ticket = self.random.below(TEMPLATES.iter().map(|(_, template)| template.share).sum());
        let (_, template) = TEMPLATES.iter().find(|(_, template)| {
            let found = ticket < template.share;
            ticket = ticket.saturating_sub(template.share);
            found
        })?;
        Some(self.write(template))
    }
}

const ACCOUNTS: [&str; 3] = ["111122223333", "444455556666", "777788889999"];
const REGIONS: [&str; 4] = ["eu-central-1", "eu-central-1", "eu-west-1", "us-east-1"];
/// People: name, unique id, access key.
const USERS: [(&str, &str, &str); 4] = [
    ("a.ferrari", "AIDAEXAMPLEFERRARI01", "AKIAEXAMPLEFERRARI01"),
    ("m.okafor", "AIDAEXAMPLEOKAFOR001", "AKIAEXAMPLEOKAFOR001"),
    ("j.novak", "AIDAEXAMPLENOVAK0001", "AKIAEXAMPLENOVAK0001"),
    ("backup", "AIDAEXAMPLEBACKUP001", "AKIAEXAMPLEBACKUP001"),
];
/// Roles: name, unique id.
const ROLES: [(&str, &str); 4] = [
    ("app-server", "AROAEXAMPLEAPPSERVER"),
    ("report-job", "AROAEXAMPLEREPORTJOB"),
    ("deployment", "AROAEXAMPLEDEPLOYMEN"),
    ("AWSServiceRoleForAutoScaling", "AROAEXAMPLESCALING01"),
];
const INSTANCES: [&str; 4] =
    ["i-0a1b2c3d4e5f60001", "i-0a1b2c3d4e5f60002", "i-0a1b2c3d4e5f60003", "i-0a1b2c3d4e5f60004"];
const SERVICES: [&str; 4] =
    ["autoscaling.amazonaws.com", "secretsmanager.amazonaws.com", "lambda.amazonaws.com", "AWS Internal"];
const BUCKETS: [&str; 3] = ["example-orders", "example-reports", "example-logs"];
const KEYS: [&str; 2] = ["5a1c7e0d-3b2f-4c6a-9d8e-1f0a2b3c4d5e", "8f2e6d1c-7a4b-4f3e-8c5d-0a9b1c2d3e4f"];
const TOOLS: [&str; 4] = [
    "aws-cli/2.24.10 md/awscrt#0.23.8 ua/2.0 os/linux#6.8.0 lang/python#3.12.9 md/command#s3.ls",
    "Boto3/1.36.26 md/Botocore#1.36.26 ua/2.0 os/linux#6.1.0 lang/python#3.11.2",
    "APN/1.0 HashiCorp/1.0 Terraform/1.10.5 (+https://www.terraform.io) terraform-provider-aws/5.88.0",
    "aws-cli/1.22.34 Python/3.11.8 Linux/6.6.9-kali1-amd64 botocore/1.23.34",
];
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0";

/// The values of an event.
struct Facts {
    time: String,
    creation: String,
    account: &'static str,
    region: &'static str,
    address: String,
    agent: &'static str,
    user: &'static (&'static str, &'static str, &'static str),
    role: &'static (&'static str, &'static str),
    instance: &'static str,
    service: &'static str,
    bucket: &'static str,
    key: &'static str,
    number: u64,
    by: By,
}

impl Facts {
    fn draw(by: By, time: i64, random: &mut Random) -> Facts {
        const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";
        let person = matches!(by, By::Console | By::SignIn | By::Root | By::Saml);
        let role = match by {
            By::Deployment => &ROLES[2],
            By::Service => &ROLES[3],
            _ => random.pick_from(&ROLES[..2]),
        };
        // One caller in a hundred uses the last tool, which nobody here should.
        let tool = if random.chance(1) { TOOLS[3] } else { random.pick(&TOOLS[..3]) };
        Facts {
            time: format_time(time, FORM),
            creation: format_time(time - random.between(60_000, 3_000_000) as i64, FORM),
            account: random.pick(&ACCOUNTS),
            region: random.pick(&REGIONS),
            address: public_address(random),
            agent: if person { BROWSER } else { tool },
            user: random.pick_from(&USERS),
            role,
            instance: random.pick(&INSTANCES),
            service: random.pick(&SERVICES),
            bucket: random.pick(&BUCKETS),
            key: random.pick(&KEYS),
            number: random.between(1, 40),
            by,
        }
    }

    fn session(&self) -> &'static str {
        match self.by {
            By::Instance => self.instance,
            By::Deployment | By::WebIdentity => "orders-pipeline",
            By::Service => "AutoScaling",
            _ => self.user.0,
        }
    }

    fn push(&self, slot: Slot, random: &mut Random, line: &mut String) {
        let pieces: &[&str] = match slot {
            Slot::Time => &[&self.time],
            Slot::Creation => &[&self.creation],
            Slot::Account => &[self.account],
            Slot::Region => &[self.region],
            Slot::Address => &[&self.address],
            Slot::Agent => &[self.agent],
            Slot::User => &[self.user.0],
            Slot::UserId => &[self.user.1],
            Slot::AccessKey => &[self.user.2],
            Slot::Role => &[self.role.0],
            Slot::RoleId => &[self.role.1],
            Slot::Session => &[self.session()],
            Slot::Instance => &[self.instance],
            Slot::Arn => match self.by {
                By::Root => &["arn:aws:iam::", self.account, ":root"],
                By::Instance | By::Deployment => {
                    &["arn:aws:sts::", self.account, ":assumed-role/", self.role.0, "/", self.session()]
                }
                _ => &["arn:aws:iam::", self.account, ":user/", self.user.0],
            },
            Slot::Service => &[self.service],
            Slot::Bucket => &[self.bucket],
            Slot::Key => &[self.key],
            Slot::Number => &[&self.number.to_string()],
            Slot::Uuid => {
                &[&random.hex(8), "-", &random.hex(4), "-4", &random.hex(3), "-8", &random.hex(3), "-", &random.hex(12)]
            }
            Slot::Digits => &[&random.hex(32)],
            Slot::Id => &[&random.hex(16).to_uppercase()],
        };
        line.extend(pieces.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Map;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_events() {
        let lines: Vec<String> = cloudtrail(3).take(500).collect();
        assert_eq!(lines, cloudtrail(3).take(500).collect::<Vec<_>>());
        assert_ne!(lines, cloudtrail(4).take(500).collect::<Vec<_>>());
    }

    #[test]
    fn every_kind_is_json_without_open_slots() {
        let world: World = serde_json::from_str(include_str!("cloudtrail.json")).unwrap();
        assert_eq!(cloudtrail_kinds().count(), world.calls.len());
        assert_eq!(world.calls.iter().map(|call| call.share).sum::<u64>(), 10_000);
        let mut kinds = BTreeMap::new();
        for kind in cloudtrail_kinds() {
            let line = cloudtrail_event(kind, 1).unwrap();
            let event: Map<String, Value> = serde_json::from_str(&line).unwrap();
            let open = line.replace("<sensitiveDataRemoved>", "");
            assert!(!open.contains('<'), "{open}");
            assert!(event.contains_key("eventTime") && event.contains_key("recipientAccountId"), "{line}");
            assert_eq!(kinds.insert(kind, line), None, "{kind} is there twice");
        }
    }

    #[test]
    fn a_large_sample_has_all_kinds_in_their_proportions() {
        let lines: Vec<String> = cloudtrail(1).take(60_000).collect();
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert!((7_800..9_300).contains(&count(r#""eventCategory":"Data""#)));
        assert!((7_500..9_500).contains(&count(r#""eventSource":"sts.amazonaws.com","eventName":"AssumeRole","#)));
        for text in ["StopLogging", "ThrottlingException", "\"type\":\"Root\"", "kali1", "insightDetails"] {
            assert!(lines.iter().any(|line| line.contains(text)), "{text}");
        }
    }

    #[test]
    fn times_never_go_back() {
        let times: Vec<String> = cloudtrail(1)
            .take(500)
            .map(|line| line.split_once("\"eventTime\":\"").unwrap().1[..20].to_owned())
            .collect();
        assert!(times.is_sorted() && times.first() < times.last());
    }
}
