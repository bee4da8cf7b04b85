//! An element of XML as a document.
//!
//! The shape is that of `evtx_dump -o json`, which most tools for Windows event logs know: an element is a member of its
//! parent, its attributes are the object `#attributes`, and the text of an element that has more than text is `#text`. In
//! `EventData` and `UserData`, `<Data Name="X">` becomes the member `X`; `Data` elements without a name become one member
//! `Data` with their texts in `#text`. Elements that have a name in common become an array.
//!
//! All values are texts, as XML has nothing else.

use bumpalo::Bump;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use rustc_hash::FxHashMap;

use crate::document::{Document, DocumentBuffer};
use crate::document_error::{DEPTH_LIMIT, DocumentError, NODE_LIMIT};
use crate::node::{Node, NodeValue};

/// Member with the attributes of an element.
const ATTRIBUTES: &str = "#attributes";
/// Member with the text of an element.
const TEXT: &str = "#text";
/// Element whose attribute `Name` is the name of a member.
const DATA: &str = "Data";

/// The document of one element.
pub(crate) fn document<'a>(
    input: &'a [u8],
    buffer: &mut DocumentBuffer,
    bump: &'a Bump,
) -> Result<Document<'a>, DocumentError> {
    let text = std::str::from_utf8(input).map_err(|error| DocumentError::NotUtf8 { offset: error.valid_up_to() })?;
    let root = Parser { reader: Reader::from_str(text), bump, values: 0 }.read()?;
    let mut nodes = buffer.take();
    root.push(&mut nodes, None, 0, 1)?;
    Ok(Document::from_nodes(nodes))
}

/// A value on its way to be nodes, whose number of descendants has to be known first.
enum Value<'a> {
    Null,
    Text(&'a str),
    Array(Vec<Value<'a>>),
    Object(Members<'a>),
}

#[derive(Default)]
struct Members<'a> {
    in_order: Vec<(&'a str, Value<'a>)>,
    places: FxHashMap<&'a str, usize>,
}

impl<'a> Members<'a> {
    /// Adds a member; of one that is there already, another element.
    fn add(&mut self, key: &'a str, value: Value<'a>) {
        let next = self.in_order.len();
        let place = *self.places.entry(key).or_insert(next);
        match self.in_order.get_mut(place) {
            None => self.in_order.push((key, value)),
            Some((_, Value::Array(values))) => values.push(value),
            Some((_, first)) => {
                let values = vec![std::mem::replace(first, Value::Null), value];
                *first = Value::Array(values);
            }
        }
    }
}

impl<'a> Value<'a> {
    fn push(
        self,
        nodes: &mut Vec<Node<'a>>,
        key: Option<&'a str>,
        parent: u32,
        depth: usize,
    ) -> Result<(), DocumentError> {
        let id = nodes.len();
        if id >= NODE_LIMIT {
            return Err(DocumentError::TooManyNodes);
        }
        let value = match &self {
            Value::Null => NodeValue::Null,
            Value::Text(text) => NodeValue::String(text),
            Value::Array(_) => NodeValue::Array,
            Value::Object(_) => NodeValue::Object,
        };
        if value.is_container() && depth > DEPTH_LIMIT {
            return Err(DocumentError::TooDeep);
        }
        nodes.push(Node { key, value, end: id as u32 + 1, parent });
        match self {
            Value::Null | Value::Text(_) => {}
            Value::Array(values) => {
                for value in values {
                    value.push(nodes, None, id as u32, depth + 1)?;
                }
            }
            Value::Object(members) => {
                for (key, value) in members.in_order {
                    value.push(nodes, Some(key), id as u32, depth + 1)?;
                }
            }
        }
        let end = nodes.len() as u32;
        if let Some(node) = nodes.get_mut(id) {
            node.end = end;
        }
        Ok(())
    }
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    bump: &'a Bump,
    /// Elements and attributes so far.
    values: usize,
}

/// An element whose end tag was not read yet.
struct Open<'a> {
    name: &'a str,
    attributes: Members<'a>,
    members: Members<'a>,
    text: bumpalo::collections::String<'a>,
    /// The values of `Data` elements without a name, if these are what the element is for.
    unnamed: Vec<Value<'a>>,
}

impl<'a> Parser<'a> {
    /// The document: an object with the element as its member.
    fn read(mut self) -> Result<Value<'a>, DocumentError> {
        let mut document = Members::default();
        let mut open: Vec<Open<'a>> = Vec::new();
        loop {
            let event = self.reader.read_event().map_err(|error| self.fault(error.to_string()))?;
            match event {
                Event::Start(tag) => {
                    if open.len() >= DEPTH_LIMIT {
                        return Err(DocumentError::TooDeep);
                    }
                    let element = self.open(&tag)?;
                    if open.is_empty() && !document.in_order.is_empty() {
                        return Err(self.fault("more than one element"));
                    }
                    open.push(element);
                }
                Event::Empty(tag) => {
                    let element = self.open(&tag)?;
                    if open.is_empty() && !document.in_order.is_empty() {
                        return Err(self.fault("more than one element"));
                    }
                    element.close(open.last_mut(), &mut document);
                }
                Event::End(_) => {
                    // The reader has checked that the names match.
                    let Some(element) = open.pop() else { return Err(self.fault("an end tag without a start tag")) };
                    element.close(open.last_mut(), &mut document);
                }
                Event::Text(text) => self.add_text(&mut open, &text)?,
                Event::CData(text) => self.add_text(&mut open, &text)?,
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|error| self.fault(error.to_string()))?;
                    let mut bytes = [0; 4];
                    let text = match character {
                        Some(character) => &*character.encode_utf8(&mut bytes),
                        None => quick_xml::escape::resolve_predefined_entity(&reference)
                            .ok_or_else(|| self.fault(format!("the entity &{}; is not defined", &*reference)))?,
                    };
                    self.add_text(&mut open, text)?;
                }
                Event::DocType(_) => return Err(self.fault("document type declarations are not read")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if !open.is_empty() {
            return Err(self.fault("an element has no end tag"));
        }
        if document.in_order.is_empty() {
            return Err(self.fault("there is no element"));
        }
        Ok(Value::Object(document))
    }

    fn fault(&self, reason: impl Into<String>) -> DocumentError {
        let offset = self.reader.error_position().max(self.reader.buffer_position()) as usize;
        DocumentError::Xml { offset, reason: reason.into() }
    }

    fn add_text(&self, open: &mut [Open<'a>], text: &str) -> Result<(), DocumentError> {
        match open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(self.fault("text that is in no element")),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), DocumentError> {
        self.values += 1;
        if self.values > NODE_LIMIT { Err(DocumentError::TooManyNodes) } else { Ok(()) }
    }

    fn name(&self, name: &str) -> Result<&'a str, DocumentError> {
        if name.is_empty() {
            return Err(self.fault("a name is missing"));
        }
        Ok(self.bump.alloc_str(name))
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<Open<'a>, DocumentError> {
        self.count()?;
        let mut attributes = Members::default();
        for attribute in tag.attributes() {
            self.count()?;
            let attribute = attribute.map_err(|error| self.fault(error.to_string()))?;
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| self.fault(error.to_string()))?;
            let name = self.name(attribute.key.as_ref())?;
            attributes.add(name, Value::Text(self.bump.alloc_str(&value)));
        }
        Ok(Open {
            name: self.name(tag.name().as_ref())?,
            attributes,
            members: Members::default(),
            text: bumpalo::collections::String::new_in(self.bump),
            unnamed: Vec::new(),
        })
    }
}

impl<'a> Open<'a> {
    /// Adds the element to its parent, or to the document.
    fn close(mut self, parent: Option<&mut Open<'a>>, document: &mut Members<'a>) {
        let is_data =
            self.name == DATA && parent.as_ref().is_some_and(|parent| matches!(parent.name, "EventData" | "UserData"));
        let mut key = self.name;
        let mut is_unnamed = false;
        if is_data {
            let names = self.attributes.in_order.iter().position(|(name, _)| *name == "Name");
            match names.map(|at| self.attributes.in_order.remove(at)) {
                Some((_, Value::Text(name))) if !name.is_empty() => key = name,
                Some(attribute) => self.attributes.in_order.insert(0, attribute),
                None => is_unnamed = self.attributes.in_order.is_empty(),
            }
        }
        let value = self.value(is_data);
        match parent {
            Some(parent) if is_unnamed => parent.unnamed.push(value),
            Some(parent) => parent.members.add(key, value),
            None => document.add(key, value),
        }
    }

    /// An empty `Data` element is an empty text, any other empty element is null.
    fn value(mut self, is_data: bool) -> Value<'a> {
        if !self.unnamed.is_empty() {
            let mut data = Members::default();
            std::mem::take(&mut self.unnamed).into_iter().for_each(|value| data.add(TEXT, value));
            self.members.add(DATA, Value::Object(data));
        }
        let has_members = !self.members.in_order.is_empty();
        // White space between elements is for the reader's eye.
        let is_for_the_eye = has_members && self.text.trim_ascii().is_empty();
        let has_text = !self.text.is_empty() && !is_for_the_eye;
        let text = self.text.into_bump_str();
        if self.attributes.in_order.is_empty() && !has_members {
            return match has_text {
                true => Value::Text(text),
                false if is_data => Value::Text(""),
                false => Value::Null,
            };
        }
        let mut all = Members::default();
        if !self.attributes.in_order.is_empty() {
            all.add(ATTRIBUTES, Value::Object(self.attributes));
        }
        if has_text {
            all.add(TEXT, Value::Text(text));
        }
        if all.in_order.is_empty() {
            return Value::Object(self.members);
        }
        self.members.in_order.into_iter().for_each(|(key, value)| all.add(key, value));
        Value::Object(all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node::NodeId;

    fn value(input: &str) -> serde_json::Value {
        let bump = Bump::new();
        let document = document(input.as_bytes(), &mut DocumentBuffer::default(), &bump).unwrap();
        assert_eq!(document.subtree(NodeId::ROOT).end as usize, document.len());
        document.to_value(NodeId::ROOT)
    }

    fn error(input: &str) -> String {
        let bump = Bump::new();
        document(input.as_bytes(), &mut DocumentBuffer::default(), &bump).unwrap_err().to_string()
    }

    #[test]
    fn an_event_has_the_shape_of_evtx_dump() {
        let event = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>
          <System>
            <Provider Name='Microsoft-Windows-Sysmon' Guid='{5770385f-c22a-43e0-bf4c-06f5698ffbd9}'/>
            <EventID Qualifiers='16384'>1</EventID>
            <Version>5</Version>
            <TimeCreated SystemTime='2026-03-01T10:00:00.1234567Z'/>
            <Correlation/>
            <Execution ProcessID='2828' ThreadID='1684'/>
            <Channel>Microsoft-Windows-Sysmon/Operational</Channel>
          </System>
          <EventData>
            <Data Name='RuleName'>-</Data>
            <Data Name='CommandLine'>cmd /c \"a &amp; b\" &#x3e; c<![CDATA[ & <d>]]></Data>
            <Data Name='Empty'></Data>
            <Data Name='User'/>
          </EventData>
          <RenderingInfo Culture='en-US'>
            <Message>Process Create:\r\nRuleName: -</Message>
            <Keywords><Keyword>Audit Success</Keyword><Keyword>Classic</Keyword></Keywords>
            <Opcode></Opcode>
          </RenderingInfo>
        </Event>";
        assert_eq!(
            value(event),
            json!({"Event": {
                "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
                "System": {
                    "Provider": {"#attributes": {
                        "Name": "Microsoft-Windows-Sysmon", "Guid": "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}"
                    }},
                    "EventID": {"#attributes": {"Qualifiers": "16384"}, "#text": "1"},
                    "Version": "5",
                    "TimeCreated": {"#attributes": {"SystemTime": "2026-03-01T10:00:00.1234567Z"}},
                    "Correlation": null,
                    "Execution": {"#attributes": {"ProcessID": "2828", "ThreadID": "1684"}},
                    "Channel": "Microsoft-Windows-Sysmon/Operational"
                },
                "EventData": {
                    "RuleName": "-", "CommandLine": "cmd /c \"a & b\" > c & <d>", "Empty": "", "User": ""
                },
                "RenderingInfo": {
                    "#attributes": {"Culture": "en-US"},
                    "Message": "Process Create:\r\nRuleName: -",
                    "Keywords": {"Keyword": ["Audit Success", "Classic"]},
                    "Opcode": null
                }
            }})
        );
    }

    #[test]
    fn data_without_names_are_texts_of_one_member() {
        let data =
            |inner: &str| value(&format!("<Event><EventData>{inner}</EventData></Event>"))["Event"]["EventData"].take();
        assert_eq!(data("<Data>a</Data>"), json!({"Data": {"#text": "a"}}));
        assert_eq!(
            data("<Data>a</Data><Data></Data><Binary>00ff</Binary>"),
            json!({"Binary": "00ff", "Data": {"#text": ["a", ""]}})
        );
        assert_eq!(data("<Data Name='x'>1</Data><Data>2</Data>"), json!({"x": "1", "Data": {"#text": "2"}}));
        assert_eq!(data("<Data Name='x'>1</Data><Data Name='x'>2</Data>"), json!({"x": ["1", "2"]}));
        assert_eq!(data(""), json!(null));
        // Elsewhere it is an element like any other.
        assert_eq!(
            value("<a><Data Name='x'>1</Data></a>"),
            json!({"a": {"Data": {"#attributes": {"Name": "x"}, "#text": "1"}}})
        );
    }

    #[test]
    fn nothing_of_an_element_is_lost() {
        assert_eq!(
            value("<a b='1'>x<c/> y <c>2</c><d><e>3</e></d></a>"),
            json!({"a": {"#attributes": {"b": "1"}, "#text": "x y ", "c": [null, "2"], "d": {"e": "3"}}})
        );
        assert_eq!(value("<a> </a>"), json!({"a": " "}));
        assert_eq!(value("<a b='&lt;&#10;'/>"), json!({"a": {"#attributes": {"b": "<\n"}}}));
    }

    #[test]
    fn what_is_no_element_is_refused() {
        for (input, reason) in [
            ("<a><b></a>", "expected `</b>`"),
            ("<a>", "no end tag"),
            ("<a/><b/>", "more than one element"),
            ("", "no element"),
            ("<a/>x", "in no element"),
            ("<a b='1' b='2'/>", "duplicate"),
            ("<a b=1/>", "enclosed"),
            ("<a>&b;</a>", "&b; is not defined"),
            ("<a c='&b;'/>", "b"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        ] {
            let message = error(input);
            assert!(message.starts_with("not XML at byte ") && message.contains(reason), "{input}: {message}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(value(&nested(DEPTH_LIMIT - 1)).is_object());
        assert_eq!(error(&nested(DEPTH_LIMIT + 1)), DocumentError::TooDeep.to_string());
        assert_eq!(error(&nested(100_000)), DocumentError::TooDeep.to_string());
        let wide = format!("<a>{}</a>", "<b/>".repeat(NODE_LIMIT));
        assert_eq!(error(&wide), DocumentError::TooManyNodes.to_string());
    }
}
