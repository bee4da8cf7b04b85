//! The invented company whose machines write the sample logs: its hosts, accounts, programs, files and the names it
//! looks up. Paths below `C:\Windows` are those every Windows machine has; everything else is made up.

/// Host name and Sysmon schema (times 100) of each machine. Two are behind with their updates.
pub(crate) const HOSTS: &[(&str, u16)] = &[
    ("WS-0417.corp.example.com", 490),
    ("WS-0418.corp.example.com", 490),
    ("WS-0533.corp.example.com", 490),
    ("LT-1204.corp.example.com", 490),
    ("LT-1377.corp.example.com", 481),
    ("APP-02.corp.example.com", 490),
    ("FILES-01.corp.example.com", 490),
    ("DC-01.corp.example.com", 490),
    ("KIOSK-09", 423),
    ("LEGACY-SRV", 340),
];

/// The people whose sessions run on the machines, one a machine.
pub(crate) const PEOPLE: &[&str] = &[r"EXAMPLE\a.ferrari", r"EXAMPLE\m.okafor", r"EXAMPLE\j.nováková"];

/// An account of Windows services and the id of its logon session.
pub(crate) const SERVICE_ACCOUNTS: &[(&str, &str)] = &[
    (r"NT AUTHORITY\SYSTEM", "0x3E7"),
    (r"NT AUTHORITY\SYSTEM", "0x3E7"),
    (r"NT AUTHORITY\NETWORK SERVICE", "0x3E4"),
    (r"NT AUTHORITY\LOCAL SERVICE", "0x3E5"),
];

/// An executable, its version information and how it is started.
pub(crate) struct Program {
    /// Runs as a service rather than in a person's session.
    pub(crate) service: bool,
    pub(crate) path: &'static str,
    pub(crate) version: &'static str,
    pub(crate) description: &'static str,
    pub(crate) product: &'static str,
    pub(crate) company: &'static str,
    pub(crate) original_name: &'static str,
    pub(crate) command_line: &'static str,
}

const WINDOWS: &str = "Microsoft® Windows® Operating System";
const MICROSOFT: &str = "Microsoft Corporation";

pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        service: true,
        path: r"C:\Windows\System32\svchost.exe",
        version: "10.0.19041.4355 (WinBuild.160101.0800)",
        description: "Host Process for Windows Services",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "svchost.exe",
        command_line: r"C:\Windows\System32\svchost.exe -k netsvcs -p -s Schedule",
    },
    Program {
        service: false,
        path: r"C:\Windows\explorer.exe",
        version: "10.0.19041.4355 (WinBuild.160101.0800)",
        description: "Windows Explorer",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "EXPLORER.EXE",
        command_line: r"C:\Windows\Explorer.EXE",
    },
    Program {
        service: false,
        path: r"C:\Windows\System32\cmd.exe",
        version: "10.0.19041.3636 (WinBuild.160101.0800)",
        description: "Windows Command Processor",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "Cmd.Exe",
        command_line: r#""C:\Windows\system32\cmd.exe" /c "dir C:\ProgramData /s > %TEMP%\list.txt""#,
    },
    Program {
        service: false,
        path: r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        version: "10.0.19041.3996 (WinBuild.160101.0800)",
        description: "Windows PowerShell",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "PowerShell.EXE",
        command_line: "powershell.exe -NoProfile -WindowStyle Hidden -EncodedCommand RwBlAHQALQBEAGEAdABlAA==",
    },
    Program {
        service: false,
        path: r"C:\Windows\System32\rundll32.exe",
        version: "10.0.19041.3636 (WinBuild.160101.0800)",
        description: "Windows host process (Rundll32)",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "RUNDLL32.EXE",
        command_line: r"rundll32.exe C:\Users\Public\helper.dll,Start",
    },
    Program {
        service: true,
        path: r"C:\Windows\System32\wbem\WmiPrvSE.exe",
        version: "10.0.19041.4046 (WinBuild.160101.0800)",
        description: "WMI Provider Host",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "Wmiprvse.exe",
        command_line: r"C:\Windows\system32\wbem\wmiprvse.exe -secured -Embedding",
    },
    Program {
        service: false,
        path: r"C:\Windows\System32\reg.exe",
        version: "10.0.19041.1 (WinBuild.160101.0800)",
        description: "Registry Console Tool",
        product: WINDOWS,
        company: MICROSOFT,
        original_name: "reg.exe",
        command_line: r#"reg add HKCU\Software\Microsoft\Windows\CurrentVersion\Run /v Updater /d "C:\Users\Public\updater.exe" /f"#,
    },
    Program {
        service: true,
        path: r"C:\Program Files\Sample Backup\agent\backupd.exe",
        version: "7.2.1.0",
        description: "Sample Backup agent",
        product: "Sample Backup",
        company: "Example Software GmbH",
        original_name: "backupd.exe",
        command_line: r#""C:\Program Files\Sample Backup\agent\backupd.exe" --service --config "C:\ProgramData\Sample Backup\agent.yml""#,
    },
    Program {
        service: false,
        path: r"C:\Program Files\Sample Browser\browser.exe",
        version: "121.0.4",
        description: "Sample Browser",
        product: "Sample Browser",
        company: "Example Software GmbH",
        original_name: "browser.exe",
        command_line: r#""C:\Program Files\Sample Browser\browser.exe" --type=renderer --lang=en-GB"#,
    },
    Program {
        service: false,
        path: r"C:\Users\Public\updater.exe",
        version: "-",
        description: "-",
        product: "-",
        company: "-",
        original_name: "-",
        command_line: r"C:\Users\Public\updater.exe",
    },
];

/// A library: path, original name, whether it is signed by Microsoft.
pub(crate) const LIBRARIES: &[(&str, &str, bool)] = &[
    (r"C:\Windows\System32\ntdll.dll", "ntdll.dll", true),
    (r"C:\Windows\System32\kernel32.dll", "kernel32", true),
    (r"C:\Windows\System32\wbem\wmiutils.dll", "wmiutils.dll", true),
    (r"C:\Windows\System32\taskschd.dll", "taskschd.dll", true),
    (r"C:\Windows\System32\amsi.dll", "amsi.dll", true),
    (r"C:\Program Files\Sample Backup\agent\vss64.dll", "vss64.dll", false),
    (r"C:\Users\Public\helper.dll", "-", false),
];

pub(crate) const FILES: &[&str] = &[
    r"C:\Windows\Temp\TS_4F1C.tmp",
    r"C:\Windows\Prefetch\CMD.EXE-0BD30981.pf",
    r"C:\ProgramData\Sample Backup\cache\block-000181.dat",
    r"C:\Users\a.ferrari\AppData\Local\Temp\~DF3A.TMP",
    r"C:\Users\a.ferrari\Documents\Quarterly report.xlsx",
    r"C:\Users\m.okafor\Downloads\Prüfbericht (1).pdf",
    r"C:\Users\Public\updater.exe",
    r"C:\Users\m.okafor\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup\sync.lnk",
    r"\\FILES-01\share\archive\2025\orders.zip",
];

pub(crate) const EXECUTABLE_FILES: &[&str] = &[
    r"C:\Users\Public\updater.exe",
    r"C:\Users\m.okafor\Downloads\setup-4.1.exe",
    r"C:\Users\a.ferrari\AppData\Local\Temp\7zS1A2B\install.exe",
];

pub(crate) const KEYS: &[&str] = &[
    r"HKLM\SOFTWARE\Microsoft\SystemCertificates\ROOT\Certificates",
    r"HKU\S-1-5-21-1004336348-1177238915-682003330-1104\Software\Microsoft\Windows\CurrentVersion\Run",
    r"HKLM\System\CurrentControlSet\Services\SampleBackup",
    r"HKLM\SOFTWARE\Example Software\Sample Backup",
    r"\REGISTRY\A\{5b1a2c6e-0f4d-4d0e-9a53-7d1f0c2b9e11}\Events",
];

/// Value name and what Sysmon says of its data.
pub(crate) const VALUES: &[(&str, &str)] = &[
    ("Updater", r"C:\Users\Public\updater.exe"),
    ("Start", "DWORD (0x00000002)"),
    ("LastRun", "QWORD (0x01db8c0f-0x5b2c9e40)"),
    ("Blob", "Binary Data"),
    ("(Default)", "(Empty)"),
    ("Script", "Set shell = CreateObject(\"WScript.Shell\")\r\nshell.Run \"notepad.exe\", 0\r\nNote: runs at logon"),
];

pub(crate) const PIPES: &[&str] = &[
    r"\srvsvc",
    r"\wkssvc",
    r"\sample-backup\control",
    "<Anonymous Pipe>",
    r"\PSHost.133854123456789012.4412.DefaultAppDomain.powershell",
];

/// Name, status and results of a look-up.
pub(crate) const LOOKUPS: &[(&str, &str, &str)] = &[
    ("www.example.com", "0", "type:  5 edge.example.net;::ffff:192.0.2.44;::ffff:192.0.2.45;"),
    ("updates.example.org", "0", "::ffff:198.51.100.23;"),
    ("ipv6.example.net", "0", "2001:db8:12::80;"),
    ("_ldap._tcp.dc._msdcs.corp.example.com", "0", "type:  33 ;::ffff:10.20.0.5;"),
    ("5.0.20.10.in-addr.arpa", "0", "type:  12 dc-01.corp.example.com;"),
    ("files-01", "0", "10.20.0.31;"),
    ("wpad", "9003", "-"),
    ("no-such-host.example.com", "9003", "-"),
    ("quiet.example.com", "9501", "-"),
    ("slow.example.com", "1460", "-"),
    ("gone.example.com", "9701", "-"),
];

/// The rule names of a Sysmon configuration in the manner of sysmon-modular: event ids and name.
pub(crate) const RULES: &[(&[u16], &str)] = &[
    (&[1], "technique_id=T1059.001,technique_name=PowerShell"),
    (&[1, 5], "technique_id=T1036,technique_name=Masquerading"),
    (&[2], "technique_id=T1070.006,technique_name=Timestomp"),
    (&[3], "technique_id=T1571,technique_name=Non-Standard Port"),
    (&[6, 17, 18], "technique_id=T1021.002,technique_name=SMB/Windows Admin Shares"),
    (&[7], "technique_id=T1574.002,technique_name=DLL Side-Loading"),
    (&[8, 25], "technique_id=T1055,technique_name=Process Injection"),
    (&[9, 10], "technique_id=T1003,technique_name=OS Credential Dumping"),
    (&[11, 15, 23, 26, 27, 28, 29], "technique_id=T1105,technique_name=Ingress Tool Transfer"),
    (&[12, 13, 14], "technique_id=T1547.001,technique_name=Registry Run Keys / Startup Folder"),
    (&[19, 20, 21], "technique_id=T1546.003,technique_name=Windows Management Instrumentation Event Subscription"),
    (&[22], "technique_id=T1071.004,technique_name=DNS"),
    (&[1, 3, 7, 11, 24], "Suspicious location"),
];

/// Public addresses that may stand for anyone's (RFC 5737).
pub(crate) fn public_address(random: &mut crate::random::Random) -> String {
    let network = random.pick(&["192.0.2", "198.51.100", "203.0.113"]);
    format!("{network}.{}", random.between(1, 254))
}

/// An address inside the company.
pub(crate) fn private_address(random: &mut crate::random::Random) -> String {
    format!("10.20.{}.{}", random.below(8), random.between(1, 254))
}
