//! Functions of URLs and addresses.

use super::native::{Out, failed, mistake};
use crate::functions::request::{Request, Resolved};
use crate::types::Type;

/// The parts of a URI by the expression of RFC 3986, appendix B, with what Java's `URI` refuses left out.
struct Uri<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn uri(text: &str) -> Option<Uri<'_>> {
    let refused = |c: char| c <= ' ' || "\"<>\\^`{|}".contains(c) || c == '\u{7f}';
    if text.is_empty() || text.contains(refused) {
        return None;
    }
    for (at, _) in text.match_indices('%') {
        let digits = text.get(at + 1..at + 3)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
    }
    let (rest, fragment) = match text.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (text, None),
    };
    if fragment.is_some_and(|fragment| fragment.contains('#')) {
        return None;
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, after)) if !scheme.contains('/') => {
            let legal = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            if !legal {
                return None;
            }
            (Some(scheme), after)
        }
        _ => (None, rest),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) => {
            let end = after.find('/').unwrap_or(after.len());
            (Some(&after[..end]).filter(|authority| !authority.is_empty()), &after[end..])
        }
        None => (None, rest),
    };
    Some(Uri { scheme, authority, path, query, fragment })
}

impl<'a> Uri<'a> {
    fn host_and_port(&self) -> (Option<&'a str>, Option<&'a str>) {
        let Some(authority) = self.authority else { return (None, None) };
        let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
        let (host, port) = match server.rfind(']') {
            Some(end) => (&server[..=end], server[end + 1..].strip_prefix(':')),
            None => server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
        };
        let legal = host.starts_with('[')
            || (!host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'));
        if legal { (Some(host), port) } else { (None, None) }
    }
}

fn decode(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[2..];
            }
            b'+' if plus => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Boolean, IpAddress, Varchar};
    let part = |get: fn(&Uri<'_>) -> Option<String>| {
        request.simple(&[Varchar], Varchar, move |c| Ok(uri(c[0].text()?).and_then(|uri| get(&uri)).into()))
    };
    // A part that a URL has not is an empty text, as in Trino.
    match request.name {
        "url_extract_protocol" => part(|uri| Some(uri.scheme.unwrap_or_default().to_owned())),
        "url_extract_host" => part(|uri| Some(uri.host_and_port().0.unwrap_or_default().to_owned())),
        "url_extract_path" => part(|uri| decode(uri.path, false)),
        "url_extract_query" => part(|uri| decode(uri.query.unwrap_or_default(), false)),
        "url_extract_fragment" => part(|uri| decode(uri.fragment.unwrap_or_default(), false)),
        "url_extract_port" => request.simple(&[Varchar], Bigint, |c| {
            let uri = uri(c[0].text()?);
            Ok(uri.and_then(|uri| uri.host_and_port().1.and_then(|port| port.parse::<i64>().ok())).into())
        }),
        "url_extract_parameter" => request.simple(&[Varchar, Varchar], Varchar, |c| {
            let Some(uri) = uri(c[0].text()?) else { return Ok(Out::Null) };
            let name = c[1].text()?;
            // A parameter without a value has an empty one.
            let mut pairs =
                uri.query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let found = pairs.find(|(key, _)| decode(key, true).as_deref() == Some(name));
            Ok(found.and_then(|(_, value)| decode(value, true)).into())
        }),
        "url_encode" => request.simple(&[Varchar], Varchar, |c| Ok(Out::Text(encode(c[0].text()?)))),
        "url_decode" => request.simple(&[Varchar], Varchar, |c| {
            let text = c[0].text()?;
            decode(text, true)
                .map(Out::Text)
                .ok_or_else(|| failed(format!("URLDecoder: Illegal hex characters in escape pattern: {text}")))
        }),
        // `contains('10.0.0.0/8', IPADDRESS '10.1.2.3')`
        "contains" if request.arguments.len() == 2 && request.arguments[0].ty == Varchar => {
            request.simple(&[Varchar, IpAddress], Boolean, |c| {
                let text = c[0].text()?;
                let wrong = || failed(format!("Invalid CIDR: {text}"));
                let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
                let base = crate::text_form::parse_ip(address).ok_or_else(wrong)?;
                let is_v4 = address.contains('.') && !address.contains(':');
                let prefix: u32 = prefix.parse().map_err(|_| wrong())?;
                if prefix > if is_v4 { 32 } else { 128 } {
                    return Err(wrong());
                }
                let bits = if is_v4 { prefix + 96 } else { prefix };
                let given = c[1].bytes()?;
                let given: [u8; 16] = given.try_into().map_err(|_| mistake("16 bytes", given.len()))?;
                let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
                let given_is_v4 = given.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
                Ok(Out::Boolean(
                    given_is_v4 == is_v4 && u128::from_be_bytes(base) & mask == u128::from_be_bytes(given) & mask,
                ))
            })
        }
        _ => None,
    }
}
