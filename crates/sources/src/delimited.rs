//! Lines of fields in a fixed order: load balancer and flow logs.

use bumpalo::Bump;

use crate::document::{Document, DocumentBuffer};
use crate::document_error::{COLUMN_LIMIT, DelimitedError, DocumentError, NODE_LIMIT};
use crate::node::{Node, NodeValue};
use crate::split_columns::SplitColumns;

/// How a line falls into fields, and what these are called.
///
/// Every field is a string. A line with fewer fields than there are columns (an older format of the service) has only
/// the first ones; fields beyond the last column (a newer format) are called by their number, `_31`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimited {
    /// The names of the fields.
    pub columns: Columns,
    /// The one ASCII byte between two fields: `b' '`, `b'\t'`, `b','`.
    pub separator: u8,
    /// The ASCII byte around a field that may hold separators. In it, a backslash keeps a quote or a backslash from
    /// being special; any other backslash is itself.
    pub quote: Option<u8>,
}

/// Names of the fields of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// These. A first line with exactly these texts is a header, and no event. So is a first line of names most of which
    /// are among these: it has them in another order, or only some, and maybe newer ones; then its names hold.
    Named(Vec<String>),
    /// The fields of the first line.
    Header,
}

impl Delimited {
    /// The names of the columns, given the first line, and whether that line is a header.
    pub(crate) fn columns_of(&self, line: &[u8]) -> Result<(Vec<String>, bool), DelimitedError> {
        let text = std::str::from_utf8(line).map_err(|error| DelimitedError::NotUtf8 { offset: error.valid_up_to() });
        match &self.columns {
            Columns::Named(names) => {
                // An exact header may hold names that another file's header could not, such as `#date`.
                let bump = Bump::new();
                let is_exact = text.as_ref().is_ok_and(|text| {
                    let mut fields = self.fields(text, &bump);
                    names.iter().all(|name| matches!(fields.next(), Some(Ok(field)) if field == name))
                        && fields.next().is_none()
                });
                if is_exact {
                    return Ok((names.clone(), true));
                }
                let header = text.and_then(|text| self.header(text)).unwrap_or_default();
                let known = header.iter().filter(|name| names.contains(name)).count();
                let is_header = header.len() >= 2 && known * 2 > header.len();
                Ok(if is_header { (header, true) } else { (names.clone(), false) })
            }
            Columns::Header => Ok((self.header(text?)?, true)),
        }
    }

    /// The fields of a line that names columns.
    fn header(&self, line: &str) -> Result<Vec<String>, DelimitedError> {
        let bump = Bump::new();
        let mut names: Vec<String> = Vec::new();
        for field in self.fields(line, &bump) {
            if names.len() >= COLUMN_LIMIT {
                return Err(DelimitedError::TooManyColumns);
            }
            let name = field?.trim();
            if !name.starts_with(|first: char| first.is_alphabetic()) || names.iter().any(|other| other == name) {
                return Err(DelimitedError::ColumnName { name: name.to_owned() });
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }

    /// An object of the line's fields.
    pub(crate) fn document<'a>(
        &self,
        line: &'a [u8],
        names: &'a [String],
        split_columns: &SplitColumns,
        buffer: &mut DocumentBuffer,
        bump: &'a Bump,
    ) -> Result<Document<'a>, DocumentError> {
        let text = std::str::from_utf8(line).map_err(|error| DocumentError::NotUtf8 { offset: error.valid_up_to() })?;
        let mut nodes = buffer.take();
        nodes.push(Node { key: None, value: NodeValue::Object, end: 1, parent: 0 });
        let mut names = names.iter();
        for (position, field) in self.fields(text, bump).enumerate() {
            if nodes.len() >= NODE_LIMIT {
                return Err(DocumentError::TooManyNodes);
            }
            let field = field?;
            let key = match names.next() {
                Some(name) if split_columns.push(name, field, &mut nodes, bump) => continue,
                Some(name) => name.as_str(),
                None => bump.alloc_str(&format!("_{}", position + 1)),
            };
            nodes.push(Node {
                key: Some(key),
                value: NodeValue::String(field),
                end: nodes.len() as u32 + 1,
                parent: 0,
            });
        }
        let end = nodes.len() as u32;
        if let Some(root) = nodes.first_mut() {
            root.end = end;
        }
        Ok(Document::from_nodes(nodes))
    }

    /// True for text whose first line is that of a VPC flow log with header.
    pub(crate) fn looks_like_flow_log(text: &[u8]) -> bool {
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let is_name = |word: &[u8]| {
            word.first().is_some_and(u8::is_ascii_lowercase)
                && word.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        };
        let words = || line.split(|&byte| byte == b' ');
        words().count() >= 3
            && words().all(is_name)
            && words().any(|word| matches!(word, b"srcaddr" | b"pkt-srcaddr" | b"interface-id" | b"account-id"))
    }

    fn fields<'a>(&self, text: &'a str, bump: &'a Bump) -> Fields<'a> {
        Fields { text, at: Some(0), separator: self.separator, quote: self.quote, bump }
    }
}

/// The fields of a line; ends after an error.
struct Fields<'a> {
    text: &'a str,
    /// Start of the next field.
    at: Option<usize>,
    separator: u8,
    quote: Option<u8>,
    bump: &'a Bump,
}

impl<'a> Fields<'a> {
    /// A quoted field, and where its text ends in the line.
    fn quoted(&self, open: usize, quote: u8) -> Result<(&'a str, usize), DelimitedError> {
        let bytes = self.text.as_bytes();
        let mut unescaped = String::new();
        let mut from = open + 1;
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            at += memchr::memchr2(quote, b'\\', rest).ok_or(DelimitedError::OpenQuote { offset: open })?;
            if bytes.get(at) == Some(&quote) {
                break;
            }
            match bytes.get(at + 1) {
                Some(&next) if next == quote || next == b'\\' => {
                    unescaped.push_str(self.text.get(from..at).unwrap_or_default());
                    from = at + 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let last = self.text.get(from..at).unwrap_or_default();
        let field = if from == open + 1 {
            last
        } else {
            unescaped.push_str(last);
            self.bump.alloc_str(&unescaped)
        };
        Ok((field, at + 1))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<&'a str, DelimitedError>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.at.take()?;
        let bytes = self.text.as_bytes();
        match self.quote {
            Some(quote) if bytes.get(from) == Some(&quote) => {
                let (field, end) = match self.quoted(from, quote) {
                    Ok(found) => found,
                    Err(error) => return Some(Err(error)),
                };
                match bytes.get(end) {
                    None => {}
                    Some(&byte) if byte == self.separator => self.at = Some(end + 1),
                    Some(_) => return Some(Err(DelimitedError::AfterQuote { offset: end })),
                }
                Some(Ok(field))
            }
            _ => {
                let rest = bytes.get(from..)?;
                let end = memchr::memchr(self.separator, rest).map(|at| from + at);
                self.at = end.map(|end| end + 1);
                Some(Ok(self.text.get(from..end.unwrap_or(bytes.len())).unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeId;

    fn split(line: &str) -> Result<String, DocumentError> {
        let names: Vec<String> = ["type", "time", "request", "agent"].map(str::to_owned).to_vec();
        let balancer = Delimited { columns: Columns::Header, separator: b' ', quote: Some(b'"') };
        let bump = Bump::new();
        let client = r"^\[?(?<ip>[0-9a-f:.]+?)\]?:(?<port>[0-9]+)(?:/(?<zone>.*))?$".to_owned();
        let split_columns = SplitColumns::new([("agent".to_owned(), client)]).unwrap();
        let mut buffer = DocumentBuffer::default();
        let document = balancer.document(line.as_bytes(), &names, &split_columns, &mut buffer, &bump)?;
        Ok(document.to_json(NodeId::ROOT))
    }

    #[test]
    fn a_column_that_matches_its_pattern_is_replaced_by_the_named_groups() {
        let fields = |column: &str| split(&format!("h2 1 2 {column} 5")).unwrap();
        assert_eq!(
            fields("10.0.0.1:80"),
            r#"{"type":"h2","time":"1","request":"2","ip":"10.0.0.1","port":"80","_5":"5"}"#
        );
        for (column, ip) in [("[2001:db8::5]:80", "2001:db8::5"), ("2001:db8::1:50718:80", "2001:db8::1:50718")] {
            assert!(fields(column).contains(&format!(r#""ip":"{ip}","port":"80","_5""#)), "{}", fields(column));
        }
        assert!(fields("10.0.0.1:80/a").contains(r#""port":"80","zone":"a","_5":"5""#));
        for column in ["-", "", "10.0.0.1", "host:80"] {
            assert!(fields(column).contains(&format!(r#""agent":"{column}","_5":"5""#)), "{}", fields(column));
        }
    }

    #[test]
    fn quoted_fields_may_hold_separators_and_quotes() {
        assert_eq!(
            split(r#"h2 1.5 "GET https://x:443/ HTTP/1.1" "a \"b\" c\\""#).unwrap(),
            r#"{"type":"h2","time":"1.5","request":"GET https://x:443/ HTTP/1.1","agent":"a \"b\" c\\"}"#
        );
        assert_eq!(
            split(r#"h2 - "" "C:\x\u0041""#).unwrap(),
            r#"{"type":"h2","time":"-","request":"","agent":"C:\\x\\u0041"}"#
        );
        assert_eq!(split(r#"a"b" c"#).unwrap(), r#"{"type":"a\"b\"","time":"c"}"#);
    }

    #[test]
    fn a_line_may_have_fewer_or_more_fields_than_columns() {
        assert_eq!(split("h2").unwrap(), r#"{"type":"h2"}"#);
        assert_eq!(split("").unwrap(), r#"{"type":""}"#);
        assert_eq!(
            split("1 2 3 4 5 ").unwrap(),
            r#"{"type":"1","time":"2","request":"3","agent":"4","_5":"5","_6":""}"#
        );
    }

    #[test]
    fn quotes_that_do_not_close_are_an_error_with_their_place() {
        let error = |line| match split(line).unwrap_err() {
            DocumentError::Delimited(error) => error,
            other => panic!("{other}"),
        };
        assert_eq!(error(r#"a "b c"#), DelimitedError::OpenQuote { offset: 2 });
        assert_eq!(error(r#"a "b\""#), DelimitedError::OpenQuote { offset: 2 });
        assert_eq!(error(r#"a "b"c"#), DelimitedError::AfterQuote { offset: 5 });
    }

    #[test]
    fn a_header_may_have_the_named_columns_in_another_order_and_newer_ones() {
        let names: Vec<String> = ["version", "srcaddr", "dstaddr", "action"].map(str::to_owned).to_vec();
        let flow = Delimited { columns: Columns::Named(names.clone()), separator: b' ', quote: None };
        let header = |line: &str| flow.columns_of(line.as_bytes()).unwrap();
        for line in ["version srcaddr dstaddr action", "action version", "dstaddr srcaddr new-field"] {
            assert_eq!(header(line), (line.split(' ').map(str::to_owned).collect(), true));
        }
        for line in ["2 10.0.0.1 10.0.0.2 ACCEPT", "action", "action new-field", "action action version", "version -"] {
            assert_eq!(header(line), (names.clone(), false), "{line}");
        }
    }

    #[test]
    fn a_header_names_the_columns_once_each() {
        let flow = Delimited { columns: Columns::Header, separator: b',', quote: None };
        assert_eq!(flow.columns_of(b"a, b-c").unwrap(), (vec!["a".to_owned(), "b-c".to_owned()], true));
        for bad in [&b"a,a"[..], b"a,", b"1,2", b"a,\xff"] {
            assert!(flow.columns_of(bad).is_err());
        }
        let header = |count| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",").into_bytes();
        assert_eq!(flow.columns_of(&header(COLUMN_LIMIT)).unwrap().0.len(), COLUMN_LIMIT);
        assert_eq!(flow.columns_of(&header(COLUMN_LIMIT + 1)), Err(DelimitedError::TooManyColumns));
    }
}
