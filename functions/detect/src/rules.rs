//! The rule files that the function runs: those that were packed into it, or those of a folder in S3.

use detection::catalog::CatalogFile;
use detection::diagnostic::SourceText;
use detection::{Catalog, Rule, SHIPPED_RULES, lint};
use store::{Store, StoreError};

/// In a folder of rules, the file that says which tables stand behind logical ones.
const CATALOG: &str = "catalog.yaml";

/// What a folder of rules holds.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Rules that can be run.
    pub(crate) rules: Vec<Rule>,
    /// Files that cannot, and why.
    pub(crate) refused: Vec<Refused>,
    /// The catalog file, if there is one.
    pub(crate) catalog: Option<CatalogFile>,
}

/// A file that cannot be used.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its name.
    pub(crate) file: String,
    /// What is wrong with it, with places.
    pub(crate) reason: String,
}

impl Rules {
    /// Those of the location, else the shipped ones.
    ///
    /// # Errors
    /// The location cannot be read. A file that makes no sense is [refused](Rules::refused), and the others are used.
    pub(crate) async fn load(location: Option<&str>) -> Result<Self, StoreError> {
        let Some(location) = location else {
            return Ok(Self::of_files(
                SHIPPED_RULES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
            ));
        };
        let store = store::open(location).await?;
        let mut files = Vec::new();
        for listed in store::list_all(store.as_ref(), "").await? {
            if [".yaml", ".yml"].iter().any(|end| listed.key.ends_with(end)) {
                files.push((listed.key.clone(), text(store.as_ref(), &listed.key).await?));
            }
        }
        Ok(Self::of_files(files))
    }

    fn of_files(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut read = Self::default();
        let mut named: Vec<(String, Rule)> = Vec::new();
        for (file, text) in files {
            if file == CATALOG {
                match Catalog::read_file(&text) {
                    Ok(catalog) => read.catalog = Some(catalog),
                    Err(error) => read.refused.push(Refused { file, reason: error.to_string() }),
                }
                continue;
            }
            match Rule::from_text(&text) {
                Ok(rule) => named.push((file, rule)),
                Err(diagnostics) => {
                    let source = SourceText::new(&file, &text);
                    let shown =
                        diagnostics.iter().filter(|fault| fault.is_error()).map(|fault| fault.render(&source, false));
                    let reason = shown.collect::<Vec<_>>().join("\n\n");
                    read.refused.push(Refused { file, reason });
                }
            }
        }
        let pairs: Vec<(&str, &Rule)> = named.iter().map(|(file, rule)| (file.as_str(), rule)).collect();
        let mut repeated: Vec<usize> = Vec::new();
        for (index, fault) in lint::duplicates(&pairs) {
            let (file, rule) = pairs[index];
            let reason = fault.render(&SourceText::new(file, &rule.text), false);
            read.refused.push(Refused { file: file.to_owned(), reason });
            repeated.push(index);
        }
        let kept = named.into_iter().enumerate().filter(|(index, _)| !repeated.contains(index));
        read.rules = kept.map(|(_, (_, rule))| rule).collect();
        read
    }
}

async fn text(store: &dyn Store, key: &str) -> Result<String, StoreError> {
    let bytes = store.get(key).await?;
    // What is no UTF-8 is refused with its place, as any other character that does not belong there.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str) -> String {
        format!(
            "title: Signs in\nid: {id}\nstatus: test\nlevel: high\nschedule: rate(5 minutes)\nlookback: 1h\ningest_delay: 10m\n\
             sql: |\n  SELECT time FROM {{{{aws-cloudtrail}}}} WHERE {{{{window}}}}\n"
        )
    }

    #[test]
    fn shipped_rules_are_all_accepted() {
        let files = SHIPPED_RULES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let read = Rules::of_files(files);
        assert!(read.refused.is_empty(), "{:?}", read.refused);
        assert_eq!(read.rules.len() + usize::from(read.catalog.is_some()), SHIPPED_RULES.len());
    }

    #[test]
    fn a_file_that_is_no_rule_is_refused_and_the_others_are_used() {
        let first = "6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a01";
        let second = "6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a02";
        let files = [
            ("a.yaml", rule(first)),
            ("b.yaml", "titel: x\n".to_owned()),
            ("c.yaml", rule(first)),
            ("d/e.yaml", rule(second)),
        ];
        let read = Rules::of_files(files.map(|(name, text)| (name.to_owned(), text)));
        let ids: Vec<String> = read.rules.iter().map(|rule| rule.id.to_string()).collect();
        assert_eq!(ids, [first, second]);
        let refused: Vec<&str> = read.refused.iter().map(|refused| refused.file.as_str()).collect();
        assert_eq!(refused, ["b.yaml", "c.yaml"]);
        assert!(read.refused[0].reason.contains("did you mean `title`?"), "{}", read.refused[0].reason);
        assert!(read.refused[1].reason.contains("a.yaml"), "{}", read.refused[1].reason);
    }
}
