//! Paths of a mapping give what RFC 9535 says: its own examples, section by section, through a whole mapping.
//!
//! The event is an object with the example's document in `v`, so that a document may be an array; `$` of a query becomes
//! `$.v`. Of a query's nodes, `null` is no value; one is the value, several are a list.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::sync::Arc;

use bumpalo::Bump;
use mapping::Mapping;
use ocsf::{TableBuilder, rows_to_json};
use serde_json::{Value as Json, json};
use sources::Document;

fn config(query: &str) -> String {
    let attributes = json!({
        "metadata": { "product": { "name": "Lab", "vendor_name": "Example" } },
        "activity_id": 1,
        "severity_id": 1,
        "actor": { "user": { "name": "ann" } },
        "src_endpoint": { "ip": "192.0.2.1" },
        "cloud": { "provider": "AWS" },
        "api": { "operation": "Get", "request": { "uid": "1", "data": query } },
    });
    let config = json!({
        "source_name": "lab",
        "profiles": ["cloud"],
        "timestamp": { "field": "2025-11-12T08:00:00Z" },
        "other": { "event": "any" },
        "ocsf_mapping": { "any": { "schema": "api_activity", "schema_mapping": attributes } },
    });
    json!({ "custom_source_events": config }).to_string()
}

/// What a mapping makes of a query, or the number of the diagnostic that refuses it.
fn select(document: &Json, query: &str) -> Result<Json, &'static str> {
    let query = query.replace('$', "$.v");
    let mapping = match Mapping::from_text(&config(&query), &|_| None) {
        Ok(mapping) => mapping,
        Err(faults) => return Err(faults.iter().find(|fault| fault.is_error()).unwrap().code.number()),
    };
    let event = json!({ "v": document }).to_string();
    let bump = Bump::new();
    let document = Document::parse(event.as_bytes(), &bump).unwrap();
    let mapped = mapping.apply(&document, &bump).unwrap_or_else(|refusal| panic!("{query}: {refusal}"));
    let table = &mapping.tables()[mapped.table];
    let mut builder = TableBuilder::new(Arc::clone(&table.shape));
    builder.append(&mapped.record);
    let row = rows_to_json(mapping.schema(), &builder.finish().unwrap()).unwrap().remove(0);
    Ok(match &row["api"]["request"]["data"] {
        // JSON attributes are JSON text in a row.
        Json::String(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        other => other.clone(),
    })
}

/// Holds queries of one document to their nodes.
#[track_caller]
fn gives(document: &Json, cases: &[(&str, Json)]) {
    for (query, nodes) in cases {
        let nodes: Vec<&Json> = nodes.as_array().unwrap().iter().filter(|node| !node.is_null()).collect();
        let expected = match nodes.as_slice() {
            [] => Json::Null,
            [node] => (*node).clone(),
            _ => json!(nodes),
        };
        assert_eq!(select(document, query), Ok(expected), "{query}");
    }
}

#[track_caller]
fn refuses(number: &str, queries: &[&str]) {
    for query in queries {
        assert_eq!(select(&json!({}), query), Err(number), "{query}");
    }
}

fn bookstore() -> Json {
    json!({ "store": {
        "book": [
            { "category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95 },
            { "category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99 },
            { "category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3",
              "price": 8.99 },
            { "category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings",
              "isbn": "0-395-19395-8", "price": 22.99 },
        ],
        "bicycle": { "color": "red", "price": 399 },
    }})
}

#[test]
fn the_bookstore_of_section_1_5() {
    let document = bookstore();
    let books = document["store"]["book"].as_array().unwrap();
    let authors = json!(["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]);
    gives(
        &document,
        &[
            ("$.store.book[*].author", authors.clone()),
            ("$..author", authors),
            ("$.store.*", json!([books, document["store"]["bicycle"]])),
            ("$.store..price", json!([8.95, 12.99, 8.99, 22.99, 399])),
            ("$..book[2]", json!([books[2]])),
            ("$..book[2].author", json!(["Herman Melville"])),
            ("$..book[2].publisher", json!([])),
            ("$..book[-1]", json!([books[3]])),
            ("$..book[:2]", json!([books[0], books[1]])),
            ("$..book[?@.isbn]", json!([books[2], books[3]])),
            ("$..book[?@.price<10]", json!([books[0], books[2]])),
        ],
    );
}

#[test]
fn names_of_section_2_3_1() {
    let document = json!({ "o": { "j j": { "k.k": 3 } }, "'": { "@": 2 } });
    gives(
        &document,
        &[
            ("$.o['j j']", json!([{ "k.k": 3 }])),
            ("$.o['j j']['k.k']", json!([3])),
            ("$.o[\"j j\"][\"k.k\"]", json!([3])),
            ("$[\"'\"][\"@\"]", json!([2])),
            ("$['\\'']['@']", json!([2])),
            ("$['\\u0027']['\\u0040']", json!([2])),
            ("$.o.absent", json!([])),
        ],
    );
}

#[test]
fn wildcards_of_section_2_3_2() {
    let document = json!({ "o": { "j": 1, "k": 2 }, "a": [5, 3] });
    gives(
        &document,
        &[
            ("$[*]", json!([{ "j": 1, "k": 2 }, [5, 3]])),
            ("$.o[*]", json!([1, 2])),
            ("$.o[*, *]", json!([1, 2, 1, 2])),
            ("$.a[*]", json!([5, 3])),
        ],
    );
}

#[test]
fn indices_and_slices_of_sections_2_3_3_and_2_3_4() {
    gives(&json!(["a", "b"]), &[("$[1]", json!(["b"])), ("$[-2]", json!(["a"])), ("$[2]", json!([]))]);
    gives(
        &json!(["a", "b", "c", "d", "e", "f", "g"]),
        &[
            ("$[1:3]", json!(["b", "c"])),
            ("$[5:]", json!(["f", "g"])),
            ("$[1:5:2]", json!(["b", "d"])),
            ("$[5:1:-2]", json!(["f", "d"])),
            ("$[::-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
            ("$[0:0]", json!([])),
            ("$[1:3:0]", json!([])),
            ("$[-3:-1]", json!(["e", "f"])),
            ("$[0:9007199254740991]", json!(["a", "b", "c", "d", "e", "f", "g"])),
        ],
    );
    // Only arrays have them.
    gives(&json!({ "0": "a", "1": "b" }), &[("$[1]", json!([])), ("$[0:2]", json!([]))]);
}

#[test]
fn comparisons_of_section_2_3_5() {
    let document = json!({ "obj": { "x": "y" }, "arr": [2, 3], "one": [1] });
    let yes = [
        "$.absent1 == $.absent2",
        "$.absent1 <= $.absent2",
        "$.absent != 'g'",
        "1 <= 2",
        "'a' <= 'b'",
        "$.obj != $.arr",
        "$.obj == $.obj",
        "$.arr == $.arr",
        "$.obj != 17",
        "$.obj <= $.obj",
        "$.arr <= $.arr",
        "true <= true",
    ];
    let no = [
        "$.absent == 'g'",
        "$.absent1 != $.absent2",
        "1 > 2",
        "13 == '13'",
        "'a' > 'b'",
        "$.obj == $.arr",
        "$.obj != $.obj",
        "$.arr != $.arr",
        "$.obj == 17",
        "$.obj <= $.arr",
        "$.obj < $.arr",
        "1 <= $.arr",
        "1 >= $.arr",
        "1 > $.arr",
        "1 < $.arr",
        "true > true",
    ];
    for comparison in yes {
        gives(&document, &[(&format!("$.one[?{comparison}]"), json!([1]))]);
    }
    for comparison in no {
        gives(&document, &[(&format!("$.one[?{comparison}]"), json!([]))]);
    }
}

#[test]
fn filters_of_section_2_3_5() {
    let document = json!({
        "a": [3, 5, 1, 2, 4, 6, { "b": "j" }, { "b": "k" }, { "b": {} }, { "b": "kilo" }],
        "o": { "p": 1, "q": 2, "r": 3, "s": 5, "t": { "u": 6 } },
        "e": "f",
    });
    gives(
        &document,
        &[
            ("$.a[?@.b == 'kilo']", json!([{ "b": "kilo" }])),
            ("$.a[?(@.b == 'kilo')]", json!([{ "b": "kilo" }])),
            ("$.a[?@>3.5]", json!([5, 4, 6])),
            ("$.a[?@.b]", json!([{ "b": "j" }, { "b": "k" }, { "b": {} }, { "b": "kilo" }])),
            ("$[?@.*]", json!([document["a"], document["o"]])),
            ("$.o[?@<3, ?@<3]", json!([1, 2, 1, 2])),
            ("$.a[?@<2 || @.b == \"k\"]", json!([1, { "b": "k" }])),
            ("$.a[?match(@.b, \"[jk]\")]", json!([{ "b": "j" }, { "b": "k" }])),
            ("$.a[?search(@.b, \"[jk]\")]", json!([{ "b": "j" }, { "b": "k" }, { "b": "kilo" }])),
            ("$.o[?@>1 && @<4]", json!([2, 3])),
            ("$.o[?@.u || @.x]", json!([{ "u": 6 }])),
            ("$.a[?@.b == $.x]", json!([3, 5, 1, 2, 4, 6])),
            ("$.a[?@ == @]", document["a"].clone()),
            ("$.a[?!@.b]", json!([3, 5, 1, 2, 4, 6])),
            ("$.a[?!(@.b || @ > 2)]", json!([1, 2])),
            ("$.o[?@ == 1 || @ == 2 && @ == 3]", json!([1])),
        ],
    );
}

#[test]
fn functions_of_section_2_4() {
    let document = json!([
        { "n": "Bob", "authors": [1, 2, 3, 4, 5], "date": "1974-05-11", "x": { "color": "red" } },
        { "n": "Rob 🦀", "authors": [1], "date": "1974-05-111", "x": { "y": { "color": "blue" } } },
        { "n": 7, "authors": "αβγδε", "date": "x1974-05-11" },
    ]);
    gives(
        &document,
        &[
            ("$[?length(@.authors) >= 5].date", json!(["1974-05-11", "x1974-05-11"])),
            // Characters, not bytes; a number has no length.
            ("$[?length(@.n) == 5].date", json!(["1974-05-111"])),
            ("$[?length(@.n) == length(@.absent)].date", json!(["x1974-05-11"])),
            ("$[?match(@.date, '1974-05-..')].date", json!(["1974-05-11"])),
            ("$[?search(@.n, '[BR]ob')].date", json!(["1974-05-11", "1974-05-111"])),
            ("$[?value(@..color) == 'red'].date", json!(["1974-05-11"])),
        ],
    );
}

#[test]
fn segments_of_section_2_5() {
    gives(
        &json!(["a", "b", "c", "d", "e", "f", "g"]),
        &[
            ("$[0, 3]", json!(["a", "d"])),
            ("$[0:2, 5]", json!(["a", "b", "f"])),
            ("$[0, 0]", json!(["a", "a"])),
            ("$[ 0 , 3 ]", json!(["a", "d"])),
        ],
    );
    gives(
        &json!({ "o": { "j": 1, "k": 2 }, "a": [5, 3, [{ "j": 4 }, { "k": 6 }]] }),
        &[
            ("$..j", json!([1, 4])),
            ("$..['j']", json!([1, 4])),
            ("$..[0]", json!([5, { "j": 4 }])),
            ("$..o", json!([{ "j": 1, "k": 2 }])),
            ("$.o..[*]", json!([1, 2])),
            ("$.a..[0:1]", json!([5, { "j": 4 }])),
        ],
    );
}

/// A member `null` is there, so that filters see it; as the value of an attribute it is none.
#[test]
fn null_of_section_2_6() {
    let document = json!({ "a": null, "b": [null], "c": [{}], "d": [{ "e": null, "f": 1 }], "null": 1 });
    gives(
        &document,
        &[
            ("$.a", json!([null])),
            ("$.a[0]", json!([])),
            ("$.a.d", json!([])),
            ("$.b[*]", json!([null])),
            ("$.c[?@.d==null]", json!([])),
            ("$.d[?@.e==null].f", json!([1])),
            ("$.d[?@.e].f", json!([1])),
            ("$.null", json!([1])),
        ],
    );
}

#[test]
fn what_the_grammar_does_not_have_is_no_path() {
    refuses(
        "E111",
        &[
            "$.",
            "$..",
            "$...a",
            "$.a.",
            "$.1a",
            "$.a-b",
            "$[]",
            "$[01]",
            "$[-0]",
            "$[1.0]",
            "$[1:2:3:4]",
            "$['a'",
            "$['\\x']",
            "$[\"\\'\"]",
            "$[9007199254740992]",
            "$[?@.a == 9007199254740993]",
            "$[?@.a = 1]",
            "$[?(@.a]",
            "$[?1]",
            "$[?true]",
            "$[?@.a == @.*]",
            "$[?@.a == 1 == 1]",
            "$.a b",
        ],
    );
}

/// The table of section 2.4.9, and the forms that the reference of the language names.
#[test]
fn what_would_not_be_exact_is_refused() {
    refuses(
        "E112",
        &[
            "$[?length(@.*) < 3]",
            "$[?count(@.*) == 1]",
            "$[?match(@.a, @.*)]",
            "$[?value(@..color)]",
            "$..book[0,1]",
            "$[*]['a', 'b']",
            "$[?@[?@.b]]",
        ],
    );
}
