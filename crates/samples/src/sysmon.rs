//! Sysmon events as the Kinesis Agent for Windows sends them: one JSON object a line, whose `Description` is the
//! message Windows renders from Sysmon's manifest. Field names and order follow the manifest of the schema each
//! invented host runs, so older machines lack the fields that came later.

use serde::Serialize;

use crate::period::{Clock, Period, format_time};
use crate::random::Random;
use crate::world::{
    EXECUTABLE_FILES, FILES, HOSTS, KEYS, LIBRARIES, LOOKUPS, PEOPLE, PIPES, PROGRAMS, Program, RULES,
    SERVICE_ACCOUNTS, VALUES, private_address, public_address,
};

/// Event id, the title of its message, the Sysmon schema (times 100) that introduced it, and how many of 10,000
/// events of a fleet are of this kind.
const KINDS: &[(u16, &str, u16, u64)] = &[
    (1, "Process Create", 200, 620),
    (2, "File creation time changed", 200, 40),
    (3, "Network connection detected", 200, 1150),
    (4, "Sysmon service state changed", 200, 1),
    (5, "Process terminated", 200, 600),
    (6, "Driver loaded", 200, 2),
    (7, "Image loaded", 200, 2100),
    (8, "CreateRemoteThread detected", 200, 12),
    (9, "RawAccessRead detected", 310, 30),
    (10, "Process accessed", 310, 1500),
    (11, "File created", 320, 900),
    (12, "Registry object added or deleted", 320, 1100),
    (13, "Registry value set", 320, 1000),
    (14, "Registry object renamed", 320, 2),
    (15, "File stream created", 320, 15),
    (16, "Sysmon config state changed", 320, 1),
    (17, "Pipe Created", 330, 40),
    (18, "Pipe Connected", 330, 120),
    (19, "WmiEventFilter activity detected", 340, 1),
    (20, "WmiEventConsumer activity detected", 340, 1),
    (21, "WmiEventConsumerToFilter activity detected", 340, 1),
    (22, "Dns query", 421, 540),
    (23, "File Delete archived", 430, 130),
    (24, "Clipboard changed", 440, 3),
    (25, "Process Tampering", 450, 2),
    (26, "File Delete logged", 460, 80),
    (27, "File Block Executable", 482, 2),
    (28, "File Block Shredding", 483, 1),
    (29, "File Executable Detected", 490, 5),
    (255, "Error report", 200, 1),
];

/// The ids of all kinds of events, ascending: 1 to 29 and 255.
pub fn sysmon_event_ids() -> impl Iterator<Item = u16> {
    KINDS.iter().map(|kind| kind.0)
}

/// Every kind of event in turn, without end: each 30 lines hold each event id once.
pub fn sysmon(seed: u64) -> Sysmon {
    Sysmon::new(seed, Share::Equal, Period::default())
}

/// Events in about the proportions of a fleet of workstations and servers, without end.
pub fn sysmon_mix(seed: u64) -> Sysmon {
    Sysmon::new(seed, Share::Fleet, Period::default())
}

/// One event with that id; `None` if Sysmon has no such event.
///
/// ```
/// assert!(samples::sysmon_event(22, 1).unwrap().contains("QueryName: "));
/// assert!(samples::sysmon_event(77, 1).is_none());
/// ```
pub fn sysmon_event(id: u16, seed: u64) -> Option<String> {
    let kind = KINDS.iter().position(|kind| kind.0 == id)?;
    Some(Sysmon::new(seed, Share::Equal, Period::default()).event(kind))
}

/// Which kinds of events a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Each kind in turn.
    Equal,
    /// As a fleet writes them: mostly image loads, process accesses, network and registry events.
    Fleet,
}

/// An endless stream of Sysmon events of a small fleet, each a line of JSON without its line feed.
#[derive(Clone, Debug)]
pub struct Sysmon {
    random: Random,
    clock: Clock,
    share: Share,
    next_kind: usize,
    hosts: Vec<Host>,
}

#[derive(Clone, Debug)]
struct Host {
    name: &'static str,
    schema: u16,
    instance: String,
    /// Who is logged on, and the id of the session.
    person: &'static str,
    logon: String,
    logon_guid: String,
    records: u64,
    processes: Vec<Process>,
}

#[derive(Clone, Debug)]
struct Process {
    image: &'static str,
    pid: u64,
    guid: String,
    user: &'static str,
    logon: String,
    service: bool,
}

/// The envelope, in the agent's order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    event_id: u16,
    description: &'a str,
    level_display_name: &'a str,
    log_name: &'a str,
    machine_name: &'a str,
    provider_name: &'a str,
    time_created: &'a str,
    index: u64,
    user_name: &'a str,
    keywords: &'a str,
    #[serde(rename = "source_instance_id")]
    source_instance_id: &'a str,
    #[serde(rename = "source")]
    source: &'a str,
}

/// A rendered message under construction.
struct Message {
    schema: u16,
    text: String,
}

impl Message {
    /// Adds a line, unless the host's schema is older than the field.
    fn field(&mut self, since: u16, name: &str, value: impl AsRef<str>) {
        if self.schema >= since {
            self.text.push_str("\r\n");
            self.text.push_str(name);
            self.text.push_str(": ");
            self.text.push_str(value.as_ref());
        }
    }

    /// What this schema writes for "no value".
    fn nothing(&self) -> &'static str {
        if self.schema < 430 { "" } else { "-" }
    }

    fn process(&mut self, process: &Process) {
        self.field(0, "ProcessGuid", &process.guid);
        self.field(0, "ProcessId", process.pid.to_string());
        self.field(0, "Image", process.image);
    }
}

impl Sysmon {
    /// A stream of the given seed, shares and times.
    pub fn new(seed: u64, share: Share, period: Period) -> Sysmon {
        let mut random = Random::new(seed);
        let hosts = HOSTS
            .iter()
            .map(|&(name, schema)| {
                let instance = format!("i-0{}", Random::of(name).hex(16));
                let records = random.between(1_000, 900_000);
                let person = random.pick(PEOPLE);
                let logon = format!("0x{}", random.hex(6).to_ascii_uppercase());
                let logon_guid = guid(name, &mut random);
                let mut host =
                    Host { name, schema, instance, person, logon, logon_guid, records, processes: Vec::new() };
                for program in PROGRAMS.iter().take(6) {
                    host.launch(program, &mut random);
                }
                host
            })
            .collect();
        Sysmon { random, clock: Clock::new(period), share, next_kind: 0, hosts }
    }

    /// The next event of that kind (an index of `KINDS`).
    fn event(&mut self, kind: usize) -> String {
        let (id, title, since, _) = KINDS[kind];
        let random = &mut self.random;
        let able: Vec<usize> = (0..self.hosts.len()).filter(|&host| self.hosts[host].schema >= since).collect();
        let host = &mut self.hosts[*random.pick_from(&able)];
        let time = self.clock.tick(random);

        let mut message = Message { schema: host.schema, text: format!("{title}:") };
        describe(id, time, host, &mut message, random);

        host.records += 1;
        // The log service stamps the event a little later, in ticks of 100 ns.
        let ticks = random.between(10_000, 400_000);
        let seconds = format_time(time + (ticks / 10_000) as i64, "%Y-%m-%dT%H:%M:%S%.3f");
        let created = format!("{seconds}{:04}", ticks % 10_000);
        let created = format!("{}Z", created.trim_end_matches('0').trim_end_matches('.'));
        let envelope = Envelope {
            event_id: id,
            description: &message.text,
            level_display_name: if id == 255 { "Error" } else { "Informational" },
            log_name: "Microsoft-Windows-Sysmon/Operational",
            machine_name: host.name,
            provider_name: "Microsoft-Windows-Sysmon",
            time_created: &created,
            index: host.records,
            user_name: "S-1-5-18",
            keywords: "",
            source_instance_id: &host.instance,
            source: "windows-sysmon",
        };
        // Plain strings and numbers always serialize.
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

impl Iterator for Sysmon {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let kind = match self.share {
            Share::Equal => {
                let kind = self.next_kind;
                self.next_kind = (kind + 1) % KINDS.len();
                kind
            }
            Share::Fleet => {
                let mut ticket = self.random.below(KINDS.iter().map(|kind| kind.3).sum());
                KINDS
                    .iter()
                    .position(|kind| {
                        let found = ticket < kind.3;
                        ticket = ticket.saturating_sub(kind.3);
                        found
                    })
                    .unwrap_or_default()
            }
        };
        Some(self.event(kind))
    }
}

impl Host {
    /// Starts a process; forgets the oldest beyond twelve.
    fn launch(&mut self, program: &'static Program, random: &mut Random) -> Process {
        let (user, logon) = if program.service {
            let (account, logon) = *random.pick_from(SERVICE_ACCOUNTS);
            (account, logon.to_owned())
        } else {
            (self.person, self.logon.clone())
        };
        let process = Process {
            image: program.path,
            pid: 4 * random.between(100, 5_000),
            guid: guid(self.name, random),
            user,
            logon,
            service: program.service,
        };
        if self.processes.len() == 12 {
            self.processes.remove(0);
        }
        self.processes.push(process.clone());
        process
    }

    fn running(&self, random: &mut Random) -> Process {
        random.pick_from(&self.processes).clone()
    }

    /// A running service, or a running program of the person.
    fn running_of(&self, service: bool, random: &mut Random) -> Process {
        let of_kind: Vec<&Process> = self.processes.iter().filter(|process| process.service == service).collect();
        if of_kind.is_empty() { self.running(random) } else { (*random.pick_from(&of_kind)).clone() }
    }
}

/// Sysmon's GUIDs begin with the machine and the start time.
fn guid(host: &str, random: &mut Random) -> String {
    let machine = Random::of(host).hex(8);
    format!("{{{machine}-{}-67c5-{}-00000000{}00}}", random.hex(4), random.hex(4), random.hex(2))
}

/// The lines of the message.
fn describe(id: u16, time: i64, host: &mut Host, message: &mut Message, random: &mut Random) {
    let utc_time = format_time(time, "%Y-%m-%d %H:%M:%S%.3f");
    if !matches!(id, 4 | 16 | 255) {
        let rules: Vec<&str> = RULES.iter().filter(|rule| rule.0.contains(&id)).map(|rule| rule.1).collect();
        let matched = !rules.is_empty() && random.chance(8);
        message.field(410, "RuleName", if matched { random.pick(&rules) } else { message.nothing() });
    }
    let registry_event = match id {
        12 => Some(random.pick(&["CreateKey", "CreateKey", "CreateKey", "DeleteKey", "DeleteValue", "CreateValue"])),
        13 => Some("SetValue"),
        14 => Some(random.pick(&["RenameKey", "RenameKey", "RenameValue"])),
        _ => None,
    };
    if let Some(event_type) = registry_event {
        message.field(330, "EventType", event_type);
    }
    match id {
        17 => message.field(421, "EventType", "CreatePipe"),
        18 => message.field(421, "EventType", "ConnectPipe"),
        19 => message.field(0, "EventType", "WmiFilterEvent"),
        20 => message.field(0, "EventType", "WmiConsumerEvent"),
        21 => message.field(0, "EventType", "WmiBindingEvent"),
        _ => {}
    }
    message.field(310, "UtcTime", &utc_time);

    let process = host.running(random);
    match id {
        1 => process_create(host, message, random),
        2 => {
            message.process(&process);
            message.field(0, "TargetFilename", random.pick(FILES));
            message.field(0, "CreationUtcTime", earlier(time, random));
            message.field(0, "PreviousCreationUtcTime", &utc_time);
            message.field(480, "User", process.user);
        }
        3 => network_connection(host, &process, message, random),
        4 => {
            message.field(0, "State", random.pick(&["Started", "Stopped"]));
            let version = if message.schema >= 480 { "15.15" } else { "10.42" };
            message.field(320, "Version", version);
            message.field(320, "SchemaVersion", format!("{}.{:02}", message.schema / 100, message.schema % 100));
        }
        5 => {
            message.process(&process);
            message.field(480, "User", process.user);
        }
        6 => {
            let path =
                random.pick(&[r"C:\Windows\System32\drivers\sbkflt.sys", r"C:\Windows\System32\drivers\usbser.sys"]);
            message.field(0, "ImageLoaded", path);
            message.field(0, "Hashes", hashes(path));
            message.field(0, "Signed", "true");
            message.field(0, "Signature", "Example Software GmbH");
            message.field(320, "SignatureStatus", "Valid");
        }
        7 => image_loaded(&process, message, random),
        8 => {
            let target = host.running(random);
            message.field(0, "SourceProcessGuid", &process.guid);
            message.field(0, "SourceProcessId", process.pid.to_string());
            message.field(0, "SourceImage", process.image);
            message.field(0, "TargetProcessGuid", &target.guid);
            message.field(0, "TargetProcessId", target.pid.to_string());
            message.field(0, "TargetImage", target.image);
            message.field(0, "NewThreadId", random.between(1_000, 20_000).to_string());
            message.field(0, "StartAddress", format!("0x0000{}", random.hex(12).to_ascii_uppercase()));
            let known = random.chance(60);
            let nothing = message.nothing();
            message.field(0, "StartModule", if known { r"C:\Windows\System32\KERNEL32.DLL" } else { nothing });
            message.field(0, "StartFunction", if known { "LoadLibraryA" } else { nothing });
            message.field(480, "SourceUser", process.user);
            message.field(480, "TargetUser", target.user);
        }
        9 => {
            message.process(&process);
            message.field(0, "Device", random.pick(&[r"\Device\HarddiskVolume3", r"\Device\Harddisk0\DR0"]));
            message.field(480, "User", process.user);
        }
        10 => process_access(host, &process, message, random),
        11 => {
            message.process(&process);
            message.field(0, "TargetFilename", random.pick(FILES));
            message.field(0, "CreationUtcTime", &utc_time);
            message.field(480, "User", process.user);
        }
        12..=14 => {
            message.process(&process);
            let key = random.pick(KEYS);
            let (value, details) = *random.pick_from(VALUES);
            let is_key = registry_event.is_some_and(|event| event.ends_with("Key"));
            message.field(0, "TargetObject", if is_key { key.to_owned() } else { format!(r"{key}\{value}") });
            match id {
                13 => message.field(0, "Details", details),
                14 if is_key => message.field(0, "NewName", format!("{key}_old")),
                14 => message.field(0, "NewName", format!(r"{key}\{value}_old")),
                _ => {}
            }
            message.field(480, "User", process.user);
        }
        15 => {
            message.process(&process);
            let stream = format!("{}:Zone.Identifier", random.pick(EXECUTABLE_FILES));
            let unread = random.chance(25);
            message.field(0, "TargetFilename", &stream);
            message.field(0, "CreationUtcTime", earlier(time, random));
            message.field(0, "Hash", if unread { "Unknown".to_owned() } else { hashes(&stream) });
            let contents =
                if unread { "-" } else { "[ZoneTransfer]  ZoneId=3  HostUrl=https://www.example.com/setup.exe  " };
            message.field(431, "Contents", contents);
            message.field(480, "User", process.user);
        }
        16 => {
            message.field(0, "Configuration", r"C:\ProgramData\sysmon\sysmon.xml");
            message.field(
                0,
                "ConfigurationFileHash",
                format!("SHA256={}", Random::of("sysmon.xml").hex(64).to_ascii_uppercase()),
            );
        }
        17 | 18 => {
            message.field(0, "ProcessGuid", &process.guid);
            message.field(0, "ProcessId", process.pid.to_string());
            message.field(0, "PipeName", random.pick(PIPES));
            message.field(0, "Image", process.image);
            message.field(480, "User", process.user);
        }
        19..=21 => wmi(id, message, random),
        22 => {
            let (name, status, results) = *random.pick_from(LOOKUPS);
            message.field(0, "ProcessGuid", &process.guid);
            message.field(0, "ProcessId", process.pid.to_string());
            message.field(0, "QueryName", name);
            message.field(0, "QueryStatus", status);
            message.field(0, "QueryResults", results);
            message.field(0, "Image", process.image);
            message.field(480, "User", process.user);
        }
        23 | 26 | 27 | 28 | 29 => {
            message.field(0, "ProcessGuid", &process.guid);
            message.field(0, "ProcessId", process.pid.to_string());
            message.field(0, "User", process.user);
            message.field(0, "Image", process.image);
            let file = random.pick(if id > 26 { EXECUTABLE_FILES } else { FILES });
            message.field(0, "TargetFilename", file);
            message.field(0, "Hashes", hashes(file));
            if matches!(id, 23 | 26 | 28) {
                message.field(0, "IsExecutable", if EXECUTABLE_FILES.contains(&file) { "true" } else { "false" });
            }
            if id == 23 {
                message.field(
                    0,
                    "Archived",
                    random.pick(&["true", "true", "true", "false - shredded file with pattern 0x00"]),
                );
            }
        }
        24 => {
            message.process(&process);
            message.field(0, "Session", random.between(1, 4).to_string());
            message.field(0, "ClientInfo", r"user: EXAMPLE\m.okafor ip: 198.51.100.77 hostname: LT-1204");
            message.field(0, "Hashes", hashes(&process.guid));
            message.field(0, "Archived", "true");
            message.field(480, "User", process.user);
        }
        25 => {
            message.process(&process);
            message.field(0, "Type", random.pick(&["Image is replaced", "Image is locked for access"]));
            message.field(480, "User", process.user);
        }
        _ => {
            let (error, text) = *random.pick_from(&[
                ("GetConfigurationOptions", "Failed to open service configuration with error 19 - Last error: The media is write protected.\r\n"),
                ("QUEUE", "Events dropped from driver queue: ProcessAccess:4 ImageLoad:91"),
            ]);
            message.field(0, "ID", error);
            message.field(0, "Description", text);
        }
    }
}

fn process_create(host: &mut Host, message: &mut Message, random: &mut Random) {
    let program = random.pick_from(PROGRAMS);
    let parent = host.running_of(program.service, random);
    let process = host.launch(program, random);
    // Up to schema 4.22 Sysmon wrote a question mark for version information that a file does not have.
    let information = |value: &'static str| if value == "-" && host.schema < 430 { "?" } else { value };
    message.process(&process);
    message.field(400, "FileVersion", information(program.version));
    message.field(400, "Description", information(program.description));
    message.field(400, "Product", information(program.product));
    message.field(400, "Company", information(program.company));
    message.field(421, "OriginalFileName", information(program.original_name));
    message.field(0, "CommandLine", program.command_line);
    let home = if process.service { r"C:\Windows\system32\" } else { r"C:\Users\Public\" };
    message.field(0, "CurrentDirectory", random.pick(&[r"C:\Windows\system32\", home]));
    message.field(0, "User", process.user);
    let level =
        if process.service { "System" } else { random.pick(&["Medium", "Medium", "High", "Low", "AppContainer"]) };
    message.field(
        0,
        "LogonGuid",
        if process.service { guid(host.name, &mut Random::of(process.user)) } else { host.logon_guid.clone() },
    );
    message.field(0, "LogonId", &process.logon);
    message.field(0, "TerminalSessionId", if process.service { "0" } else { "1" });
    message.field(0, "IntegrityLevel", level);
    message.field(0, "Hashes", hashes(program.path));
    // A parent that had already ended leaves a GUID of zeros and no names.
    if random.chance(5) {
        message.field(0, "ParentProcessGuid", "{00000000-0000-0000-0000-000000000000}");
        message.field(0, "ParentProcessId", parent.pid.to_string());
        message.field(0, "ParentImage", information("-"));
        message.field(0, "ParentCommandLine", information("-"));
        message.field(480, "ParentUser", "-");
    } else {
        let command_line =
            PROGRAMS.iter().find(|program| program.path == parent.image).map_or("-", |found| found.command_line);
        message.field(0, "ParentProcessGuid", &parent.guid);
        message.field(0, "ParentProcessId", parent.pid.to_string());
        message.field(0, "ParentImage", parent.image);
        message.field(0, "ParentCommandLine", command_line);
        message.field(480, "ParentUser", parent.user);
    }
}

fn network_connection(host: &Host, process: &Process, message: &mut Message, random: &mut Random) {
    message.process(process);
    message.field(0, "User", process.user);
    let (protocol, port, service) = *random.pick_from(&[
        ("tcp", 443, "https"),
        ("tcp", 445, "microsoft-ds"),
        ("udp", 53, "domain"),
        ("tcp", 8443, ""),
    ]);
    let initiated = random.chance(80);
    let version_6 = random.chance(15);
    let (local, remote) = if version_6 {
        (
            format!("2001:db8:20:0:0:0:0:{:x}", random.between(1, 0xffff)),
            format!("2001:db8:ff:0:0:0:0:{:x}", random.between(1, 0xffff)),
        )
    } else if port == 445 {
        (private_address(random), private_address(random))
    } else {
        (private_address(random), public_address(random))
    };
    let nothing = message.nothing();
    let service = if service.is_empty() { nothing } else { service };
    let version_6 = if version_6 { "true" } else { "false" };
    message.field(0, "Protocol", protocol);
    message.field(0, "Initiated", if initiated { "true" } else { "false" });
    message.field(0, "SourceIsIpv6", version_6);
    message.field(0, "SourceIp", local);
    message.field(0, "SourceHostname", if random.chance(70) { host.name } else { nothing });
    message.field(0, "SourcePort", random.between(49_152, 65_535).to_string());
    message.field(0, "SourcePortName", nothing);
    message.field(0, "DestinationIsIpv6", version_6);
    message.field(0, "DestinationIp", remote);
    message.field(0, "DestinationHostname", if random.chance(40) { "edge.example.net" } else { nothing });
    message.field(0, "DestinationPort", port.to_string());
    message.field(0, "DestinationPortName", service);
}

fn image_loaded(process: &Process, message: &mut Message, random: &mut Random) {
    let (path, original_name, microsoft) = *random.pick_from(LIBRARIES);
    let nothing = message.nothing();
    message.process(process);
    message.field(0, "ImageLoaded", path);
    message.field(400, "FileVersion", if microsoft { "10.0.19041.4355 (WinBuild.160101.0800)" } else { "-" });
    message.field(400, "Description", if microsoft { "Windows component" } else { "-" });
    message.field(400, "Product", if microsoft { "Microsoft® Windows® Operating System" } else { "-" });
    message.field(400, "Company", if microsoft { "Microsoft Corporation" } else { "-" });
    message.field(421, "OriginalFileName", original_name);
    message.field(0, "Hashes", hashes(path));
    message.field(0, "Signed", if microsoft { "true" } else { "false" });
    message.field(0, "Signature", if microsoft { "Microsoft Windows" } else { nothing });
    message.field(320, "SignatureStatus", if microsoft { "Valid" } else { "Unavailable" });
    message.field(480, "User", process.user);
}

fn process_access(host: &Host, process: &Process, message: &mut Message, random: &mut Random) {
    let mut target = host.running(random);
    message.field(0, "SourceProcessGUID", &process.guid);
    message.field(0, "SourceProcessId", process.pid.to_string());
    message.field(0, "SourceThreadId", random.between(1_000, 20_000).to_string());
    message.field(0, "SourceImage", process.image);
    if random.chance(10) {
        message.field(0, "TargetProcessGUID", guid(host.name, &mut Random::of("lsass")));
        message.field(0, "TargetProcessId", "724");
        message.field(0, "TargetImage", r"C:\Windows\System32\lsass.exe");
        target.user = r"NT AUTHORITY\SYSTEM";
    } else {
        message.field(0, "TargetProcessGUID", &target.guid);
        message.field(0, "TargetProcessId", target.pid.to_string());
        message.field(0, "TargetImage", target.image);
    }
    message.field(0, "GrantedAccess", random.pick(&["0x1000", "0x1010", "0x1410", "0x1FFFFF", "0x40"]));
    let mut trace = format!(r"C:\Windows\SYSTEM32\ntdll.dll+{}", random.hex(5));
    for _ in 0..random.between(2, 24) {
        let frame = random.pick(&[
            r"|C:\Windows\System32\KERNELBASE.dll+",
            r"|C:\Windows\System32\RPCRT4.dll+",
            r"|C:\Windows\System32\combase.dll+",
            r"|UNKNOWN(0000",
        ]);
        trace.push_str(frame);
        trace.push_str(&random.hex(5));
        if frame.ends_with("0000") {
            trace.push(')');
        }
    }
    message.field(0, "CallTrace", trace);
    message.field(480, "SourceUser", process.user);
    message.field(480, "TargetUser", target.user);
}

/// A permanent WMI subscription: its values are MOF text, quoted and escaped.
fn wmi(id: u16, message: &mut Message, random: &mut Random) {
    message.field(0, "Operation", random.pick(&["Created", "Created", "Modified", "Deleted"]));
    message.field(0, "User", r"EXAMPLE\svc-backup");
    match id {
        19 => {
            message.field(0, "EventNamespace", r#" "root\\cimv2""#);
            message.field(0, "Name", r#" "SampleFilter""#);
            let query = r#" "SELECT * FROM __InstanceModificationEvent WITHIN 60 WHERE TargetInstance ISA 'Win32_LocalTime' AND TargetInstance.Hour = 3""#;
            message.field(0, "Query", query);
        }
        20 => {
            message.field(0, "Name", r#" "SampleConsumer""#);
            if random.chance(50) {
                message.field(0, "Type", "Command Line");
                message.field(0, "Destination", r#" "C:\\Users\\Public\\updater.exe --quiet""#);
            } else {
                message.field(0, "Type", "Script");
                message.field(0, "Destination", " \"Dim shell\r\nSet shell = CreateObject(\\\"WScript.Shell\\\")\r\nshell.Run \\\"updater.exe\\\"\"");
            }
        }
        _ => {
            message.field(
                0,
                "Consumer",
                r#" "\\\\.\\root\\subscription:CommandLineEventConsumer.Name=\"SampleConsumer\"""#,
            );
            message.field(0, "Filter", r#" "\\\\.\\root\\subscription:__EventFilter.Name=\"SampleFilter\"""#);
        }
    }
}

/// Hashes that depend on the path alone. Only executables and libraries have an import hash.
fn hashes(path: &str) -> String {
    let mut random = Random::of(path);
    let mut digest = |digits| random.hex(digits).to_ascii_uppercase();
    let (sha1, md5, sha256) = (digest(40), digest(32), digest(64));
    let imphash = match path.to_ascii_lowercase().rsplit('.').next() {
        Some("exe" | "dll" | "sys") => digest(32),
        _ => "0".repeat(32),
    };
    format!("SHA1={sha1},MD5={md5},SHA256={sha256},IMPHASH={imphash}")
}

/// A time some days before.
fn earlier(time: i64, random: &mut Random) -> String {
    format_time(time - random.between(86_400_000, 20_000_000_000) as i64, "%Y-%m-%d %H:%M:%S%.3f")
}

#[cfg(test)]
mod tests;
