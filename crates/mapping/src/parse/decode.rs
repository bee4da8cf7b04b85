//! `decode`: how the bytes become the documents that the mapping reads. Its steps are in `steps`.

use super::{Fields, Reader};
use crate::config::{DecodeSpec, Format, Span, Spanned, TextFieldNames, TextFieldsSpec};
use crate::diagnostic::{Code, Diagnostic, nearest, quote};
use crate::operators::{self, FORMATS};
use crate::syntax::{Node, NodeKind};

impl Reader {
    pub(super) fn decode(&mut self, config: &Fields<'_>) -> DecodeSpec {
        let nothing = |span| DecodeSpec {
            span,
            format: Spanned::new(Format::Auto, span),
            at: None,
            columns: Vec::new(),
            separator: None,
            quote: None,
            split_columns: Vec::new(),
            line_prefix: None,
            steps: Vec::new(),
            text_fields: None,
        };
        let start = Span::new(config.span.start, config.span.start + 1);
        let Some(fields) = config.get("decode").and_then(|node| self.fields(node, &operators::DECODE)) else {
            return nothing(start);
        };
        let mut decode = nothing(fields.span);
        const VALUES: &[Format] = &[Format::Auto, Format::Ndjson, Format::Json, Format::JsonArray, Format::Delimited];
        let format = fields.get("format").map(|node| self.choice(node, "format", FORMATS, VALUES));
        let format_is_known = !matches!(format, Some(None));
        if let Some(Some(format)) = format {
            decode.format = format;
        }
        decode.at = fields.get("at").and_then(|node| self.member_path(node, "at"));
        if let Some(node) = fields.get("columns") {
            let items = self.some_items(node, "columns");
            decode.columns = items.iter().filter_map(|item| self.name(item, "columns")).collect();
            for (index, column) in decode.columns.iter().enumerate() {
                if let Some(first) = decode.columns.get(..index).and_then(|before| before.iter().find(|c| *c == column))
                {
                    let message = format!("duplicate column {}", quote(column));
                    let diagnostic = Diagnostic::new(Code::DuplicateKey, column.span, message);
                    self.diagnostics.push(diagnostic.also(first.span, "first use"));
                }
            }
        }
        let separator = fields.get("separator").and_then(|node| self.character(node, "separator"));
        decode.separator = separator.map(|character| character.map(String::from));
        decode.quote = fields.get("quote").and_then(|node| self.character(node, "quote"));
        if let Some(node) = fields.get("split_columns") {
            decode.split_columns = self.split_columns(node, &decode.columns);
        }
        decode.line_prefix =
            fields.get("line_prefix").and_then(|node| self.pattern(node, "line_prefix")).map(|(text, _)| text);
        decode.steps = fields.get("steps").map(|node| self.steps(node)).unwrap_or_default();
        decode.text_fields = fields.get("text_fields").and_then(|node| self.text_fields(node));

        let belongs = [("at", Format::JsonArray, "json-array")]
            .into_iter()
            .chain(["columns", "separator", "quote", "split_columns"].map(|key| (key, Format::Delimited, "delimited")));
        for (key, format, name) in belongs {
            if let Some(span) = fields.key(key)
                && decode.format.value != format
                && format_is_known
            {
                let message = format!("{} requires the format `{name}`", quote(key));
                let diagnostic = Diagnostic::new(Code::DecodeConflict, span, message);
                self.report(diagnostic.help(format!("add \"format\": \"{name}\", or remove the key")));
            }
        }
        if let (Some(quote), Some(separator)) = (&decode.quote, &decode.separator)
            && separator.chars().eq([quote.value])
        {
            let message = "`quote` and `separator` must be different characters";
            let diagnostic = Diagnostic::new(Code::DecodeConflict, quote.span, message);
            let diagnostic = diagnostic.also(separator.span, "the separator");
            self.report(diagnostic);
        }
        decode
    }

    /// Parses `split_columns`. Each pattern must have named groups, and each name must differ from all columns and
    /// groups.
    fn split_columns(&mut self, node: &Node, columns: &[Spanned<String>]) -> Vec<(Spanned<String>, Spanned<String>)> {
        let members = self.map(node, "split_columns");
        if members.is_empty() && matches!(node.kind, NodeKind::Object(_)) {
            self.report(Diagnostic::new(Code::EmptyList, node.span, "`split_columns` has no columns"));
        }
        let mut taken: Vec<(String, Span)> = Vec::new();
        let others: Vec<&Spanned<String>> =
            columns.iter().filter(|column| !members.iter().any(|(key, _)| key.value == column.value)).collect();
        let mut split = Vec::new();
        for (column, node) in members {
            if !columns.is_empty() && !columns.iter().any(|name| name.value == column.value) {
                let message = format!("`columns` has no column {}", quote(column));
                let mut diagnostic = Diagnostic::new(Code::DecodeConflict, column.span, message);
                if let Some(near) = nearest(column, columns.iter().map(|name| name.as_str())) {
                    diagnostic = diagnostic.help(format!("did you mean {}?", quote(near)));
                }
                self.report(diagnostic);
            }
            let Some((pattern, regex)) = self.pattern(node, "split_columns") else { continue };
            let groups: Vec<&str> = regex.capture_names().flatten().collect();
            if groups.is_empty() {
                let message =
                    format!("the pattern for {} has no named group, so the column would be lost", quote(column));
                let diagnostic = Diagnostic::new(Code::NoSuchGroup, node.span, message);
                self.report(diagnostic.help("add a named group for each part to keep: (?<name>…)"));
                continue;
            }
            for group in groups {
                let earlier = taken.iter().find(|(name, _)| name == group).map(|(_, span)| *span);
                let earlier = earlier.or(others.iter().find(|name| name.value == group).map(|name| name.span));
                if let Some(earlier) = earlier {
                    let message = format!("duplicate field {}", quote(group));
                    let diagnostic = Diagnostic::new(Code::DuplicateKey, node.span, message);
                    self.report(diagnostic.also(earlier, "first use"));
                }
                taken.push((group.to_owned(), node.span));
            }
            split.push((column.clone(), pattern));
        }
        split
    }

    fn character(&mut self, node: &Node, what: &str) -> Option<Spanned<char>> {
        let text = self.text(node, what)?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) if only.is_ascii() => Some(Spanned::new(only, node.span)),
            _ => {
                let message = format!("{} must be exactly one ASCII character", quote(what));
                self.report(Diagnostic::new(Code::WrongType, node.span, message));
                None
            }
        }
    }

    fn text_fields(&mut self, node: &Node) -> Option<TextFieldsSpec> {
        let fields = self.fields(node, &operators::TEXT_FIELDS)?;
        let at = fields.get("at").and_then(|node| self.member_path(node, "at"));
        let event_id = fields.get("event_id").and_then(|node| self.member_path(node, "event_id"));
        let names = fields.get("names").and_then(|node| self.text_field_names(node));
        Some(TextFieldsSpec { span: fields.span, at: at?, event_id: event_id?, names: names? })
    }

    pub(super) fn text_field_names(&mut self, node: &Node) -> Option<TextFieldNames> {
        match &node.kind {
            NodeKind::String { .. } => self.name(node, "names").map(TextFieldNames::Shipped),
            NodeKind::Object(_) => {
                let lists = self.map(node, "names").into_iter();
                Some(TextFieldNames::Inline(lists.map(|(id, node)| (id.clone(), self.names(node, "names"))).collect()))
            }
            _ => {
                self.wrong_type(node, "names", "a text or an object");
                None
            }
        }
    }
}
