use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::json::Pointer;

const FORM: (&str, &[u8]) = ("content-type", b"application/x-www-form-urlencoded");

/// Written as in sidecar.toml: `json:/type`, `header:x-type`, …
fn sources(text: &str) -> Vec<Source> {
    let source = |item: &str| {
        let (place, name) = item.split_once(':').unwrap();
        match place {
            "claim" => Source::Claim(name.into()),
            "form" => Source::Form(name.into()),
            "header" => Source::Header(HeaderName::try_from(name).unwrap()),
            "json" => Source::Json(Pointer::parse(name).unwrap()),
            "query" => Source::Query(name.into()),
            "value" => Source::Value(name.into()),
            other => panic!("{other}"),
        }
    };
    text.split_whitespace().map(source).collect()
}

#[derive(Default)]
struct Request {
    headers: Vec<(&'static str, &'static [u8])>,
    query: Option<&'static str>,
    body: &'static str,
    claims: Option<&'static str>,
}

impl Request {
    fn read(&self, kind: &str, required: bool) -> Result<Event, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        // The id is read in the same way, to compare the two.
        Rules::new(sources(kind), sources(kind), Vec::new(), required).read(&Parts {
            headers: (&headers).into(),
            query: self.query,
            body: self.body.as_bytes(),
            claims: self.claims.map(str::as_bytes),
        })
    }

    fn types(&self, kind: &str) -> String {
        let event = self.read(kind, false).unwrap();
        assert_eq!(
            event.id.as_ref(),
            event.types.first().filter(|_| event.types.len() == 1)
        );
        event.types.join("|")
    }
}

#[test]
fn reads_each_kind_of_source() {
    let request = Request {
        headers: vec![
            ("x-type", b"from header"),
            ("x-latin", b"\xe9"),
            ("x-empty", b""),
        ],
        query: Some("type=from+query&bad=%zz"),
        body: r#"{"type":"from body","n":7,"o":{},"none":null,"":"e","claim":1}"#,
        claims: Some(r#"{"type":"from claim","aud":["x"],"a/b":"slash","*":"star"}"#),
    };
    for (source, expected) in [
        ("header:x-type", "from header"),
        ("header:x-latin", ""),
        ("header:x-empty", ""),
        ("header:x-other", ""),
        ("query:type", "from query"),
        ("query:bad", ""),
        ("query:other", ""),
        ("json:/type", "from body"),
        ("json:/n", "7"),
        ("json:/o", ""),
        ("json:/none", ""),
        ("json:/", "e"),
        ("claim:type", "from claim"),
        ("claim:aud", ""),
        ("claim:a/b", "slash"),
        ("claim:*", "star"),
        ("claim:claim", ""),
        ("form:type", ""),
        ("value:constant", "constant"),
    ] {
        assert_eq!(request.types(source), expected, "{source}");
    }
    let form = Request {
        headers: vec![FORM],
        body: "type=from%20form&x=",
        ..Request::default()
    };
    assert_eq!(form.types("form:type"), "from form");
    assert_eq!(form.types("form:x"), "");
    assert_eq!(form.types("json:/type form:type"), "from form");
    assert_eq!(form.types("claim:type"), "");
    assert_eq!(form.types("query:type"), "");
}

#[test]
fn the_first_present_source_counts() {
    let request = Request {
        headers: vec![("x-type", b"header"), ("x-empty", b"")],
        query: Some("empty="),
        body: r#"{"type":"body","empty":"","null":null,"object":{}}"#,
        ..Request::default()
    };
    for (list, expected) in [
        ("header:x-type json:/type", "header"),
        ("json:/type header:x-type", "body"),
        (
            "json:/x json:/empty json:/null json:/object header:x-none value:v",
            "v",
        ),
        ("json:/x header:x-none", ""),
        ("header:x-empty query:empty value: value:v", "v"),
        ("", ""),
    ] {
        assert_eq!(request.types(list), expected, "{list}");
    }
}

#[test]
fn what_is_repeated_has_no_value_and_no_replacement() {
    let request = Request {
        headers: vec![FORM, ("x-type", b"a"), ("x-type", b"a")],
        query: Some("type=a&type=b"),
        body: "type=a&x=1&%74ype=a",
        claims: Some(r#"{"type":"a","type":"a"}"#),
    };
    for source in ["header:x-type", "query:type", "form:type", "claim:type"] {
        let list = format!("{source} value:v");
        assert_eq!(request.types(&list), "", "{source}");
        assert_eq!(
            request.read(&list, true),
            Err(Rejection::EventAmbiguous),
            "{source}"
        );
        assert_eq!(request.types(&format!("value:v {source}")), "v", "{source}");
    }
    let json = Request {
        body: r#"{"event":"A","x":{"event":"no"},"event":"B"}"#,
        ..Request::default()
    };
    assert_eq!(json.types("json:/event value:v"), "");
    assert_eq!(
        json.read("json:/event", true),
        Err(Rejection::EventAmbiguous)
    );
    assert_eq!(json.types("json:/x/event"), "no");
}

#[test]
fn a_type_that_is_required_and_cannot_be_read_is_refused() {
    for body in [
        "",
        "{}",
        "type",
        r#"{"type":""}"#,
        r#"{"type":{}}"#,
        r#"{"type":"a"} x"#,
        "[]",
    ] {
        let request = Request {
            body,
            ..Request::default()
        };
        assert_eq!(
            request.read("json:/type", true),
            Err(Rejection::EventMissing),
            "{body}"
        );
        assert!(
            request.read("json:/type", false).unwrap().types.is_empty(),
            "{body}"
        );
    }
    let request = Request {
        body: r#"{"type":"a"}"#,
        ..Request::default()
    };
    assert_eq!(request.read("json:/type", true).unwrap().types, ["a"]);
}

#[test]
fn a_batch_has_its_distinct_types_and_one_id_or_none() {
    for (body, types, id, count) in [
        (r#"[{"t":"b"},{"t":"a"},{"t":"b"}]"#, "b|a", None, Some(3)),
        (r#"[{"t":"a"},{"t":"a"}]"#, "a", Some("a"), Some(2)),
        (r#"[{"t":"a"},{}]"#, "a", None, Some(2)),
        (r#"[{"t":"a"},{"t":""}]"#, "a", None, Some(2)),
        (r#"[{"t":"a"}]"#, "a", Some("a"), Some(1)),
        ("[]", "", None, Some(0)),
        (r#"{"t":"a"}"#, "", None, None),
        (r#"[{"t":"a","t":"b"}]"#, "", None, Some(1)),
    ] {
        let request = Request {
            body,
            ..Request::default()
        };
        let event = request.read("json:/*/t", false).unwrap();
        assert_eq!(event.types.join("|"), types, "{body}");
        assert_eq!(event.id.as_deref(), id, "{body}");
        assert_eq!(event.count, count, "{body}");
    }
}

/// Text inside a signed JSON body must not pass for a form field.
#[test]
fn parts_of_a_type_are_joined_element_by_element() {
    let joined = |pointers: &[&str]| Source::Joined {
        pointers: pointers
            .iter()
            .map(|text| Pointer::parse(text).unwrap())
            .collect(),
        separator: ".".into(),
    };
    let read = |pointers: &[&str], body: &str| {
        let source = vec![joined(pointers)];
        let rules = Rules::new(source.clone(), source, Vec::new(), false);
        let headers = HeaderMap::new();
        let event = rules.read(&Parts {
            headers: (&headers).into(),
            query: None,
            body: body.as_bytes(),
            claims: None,
        });
        let event = event.unwrap();
        (event.types.join("|"), event.id.unwrap_or_default())
    };
    let plaid = ["/webhook_type", "/webhook_code"];
    let gocardless = ["/events/*/resource_type", "/events/*/action"];
    for (pointers, body, types, id) in [
        (
            plaid,
            r#"{"webhook_type":"ITEM","webhook_code":"ERROR"}"#,
            "ITEM.ERROR",
            "ITEM.ERROR",
        ),
        (plaid, r#"{"webhook_type":"ITEM"}"#, "", ""),
        (
            plaid,
            r#"{"webhook_type":"ITEM","webhook_code":null}"#,
            "",
            "",
        ),
        (
            plaid,
            r#"{"webhook_type":"ITEM","webhook_code":"A","webhook_code":"B"}"#,
            "",
            "",
        ),
        (plaid, "", "", ""),
        (
            gocardless,
            r#"{"events":[{"resource_type":"payments","action":"paid"},{"resource_type":"mandates","action":"active"},{"resource_type":"payments","action":"paid"}]}"#,
            "payments.paid|mandates.active",
            "",
        ),
        // One that lacks a part would take the next one's.
        (
            gocardless,
            r#"{"events":[{"resource_type":"payments"},{"action":"active"}]}"#,
            "",
            "",
        ),
        (gocardless, r#"{"events":[]}"#, "", ""),
    ] {
        assert_eq!(read(&pointers, body), (types.into(), id.into()), "{body}");
    }
}

#[test]
fn a_body_is_a_form_only_if_it_says_so() {
    let body = r#"{"text":"&type=forged&","type":"real"}"#;
    let request = Request {
        body,
        ..Request::default()
    };
    assert_eq!(request.types("form:type json:/type"), "real");
}

#[test]
fn the_body_is_not_read_where_no_source_needs_it() {
    let request = Request {
        body: "[1,2]",
        ..Request::default()
    };
    assert_eq!(request.read("value:v", false).unwrap().count, None);
    assert_eq!(
        request.read("value:v json:/x", false).unwrap().count,
        Some(2)
    );
}

/// The event of a body that comes alone.
fn of_body(rules: &Rules, body: &[u8]) -> Event {
    let none = HeaderMap::new();
    let parts = Parts {
        headers: (&none).into(),
        query: None,
        body,
        claims: None,
    };
    rules.read(&parts).unwrap()
}

#[test]
fn id_and_time_have_their_own_sources() {
    let rules = Rules::new(
        sources("json:/type"),
        sources("header:x-id json:/id"),
        sources("json:/at"),
        true,
    );
    let body = br#"{"at":1700000000.5,"id":"e1","type":"a","id2":0}"#;
    let event = of_body(&rules, body);
    let expected = Event {
        types: vec!["a".into()],
        id: Some("e1".into()),
        time: Some("1700000000.5".into()),
        ..Event::default()
    };
    assert_eq!(event, expected);
    // An ambiguous id costs the id only.
    let body = br#"{"id":"e1","type":"a","id":"e2"}"#;
    let event = of_body(&rules, body);
    assert_eq!(
        event,
        Event {
            types: vec!["a".into()],
            ..Event::default()
        }
    );
}

/// The key of a body under these rules: sources of type, id, and a key of one's own.
fn key(kind: &str, id: &str, own: Option<&str>, body: &str) -> Option<Fields> {
    let rule = own.map_or(KeyRule::TypeAndId, |own| KeyRule::Own(sources(own)));
    let rules = Rules::keyed(sources(kind), sources(id), Vec::new(), false, rule);
    let none = HeaderMap::new();
    let parts = Parts {
        headers: (&none).into(),
        query: None,
        body: body.as_bytes(),
        claims: None,
    };
    rules.read(&parts).unwrap().key
}

#[test]
fn an_event_is_known_by_its_type_and_id() {
    let of = |body| key("json:/t", "json:/id", None, body);
    let known = of(r#"{"t":"a","id":"1"}"#);
    assert!(known.is_some());
    assert_eq!(of(r#"{"x":0,"id":"1","t":"a"}"#), known);
    for other in [
        r#"{"t":"b","id":"1"}"#,
        r#"{"t":"a","id":"2"}"#,
        r#"{"t":"1","id":"a"}"#,
        r#"{"t":"a1","id":""}"#,
        r#"{"id":"1"}"#,
    ] {
        assert_ne!(of(other), known, "{other}");
    }
    assert!(of(r#"{"id":"1"}"#).is_some(), "the type may be absent");
    for unknown in [
        r#"{"t":"a"}"#,
        r#"{"t":"a","id":null}"#,
        r#"{"t":"a","id":"1","id":"2"}"#,
        r#"{"t":"a","t":"b","id":"1"}"#,
        "x",
    ] {
        assert_eq!(of(unknown), None, "{unknown}");
    }
}

#[test]
fn a_batch_is_known_by_all_its_ids() {
    let of = |body| key("json:/*/t", "json:/*/id", None, body);
    let known = of(r#"[{"t":"a","id":"1"},{"t":"a","id":"2"}]"#);
    assert!(known.is_some());
    for other in [
        r#"[{"t":"a","id":"2"},{"t":"a","id":"1"}]"#,
        r#"[{"t":"a","id":"1"},{"t":"b","id":"2"}]"#,
        r#"[{"t":"a","id":"1"}]"#,
        r#"[{"t":"a","id":"12"}]"#,
        r#"[{"t":"a","id":"1"},{"t":"a"}]"#,
    ] {
        assert_ne!(of(other), known, "{other}");
    }
    assert_eq!(of(r#"[{"t":"a","id":"1"},{"t":"a"}]"#), None);
}

#[test]
fn a_key_of_ones_own_needs_all_its_parts() {
    let of = |body| key("", "", Some("json:/a json:/b"), body);
    assert!(of(r#"{"a":"1","b":"2"}"#).is_some());
    assert_ne!(of(r#"{"a":"1","b":"2"}"#), of(r#"{"a":"2","b":"1"}"#));
    assert_ne!(of(r#"{"a":"1","b":"2"}"#), of(r#"{"a":"12","b":""}"#));
    assert_eq!(of(r#"{"a":"1"}"#), None);
    assert_eq!(of(r#"{"a":"1","b":{}}"#), None);
}

proptest! {
    #[test]
    fn any_request_is_read_without_panic(body: Vec<u8>, query: String, claims: Vec<u8>) {
        let all = sources("json:/*/t json: claim:a form:a query:a header:content-type value:v");
        let rules = Rules::keyed(all.clone(), all.clone(), Vec::new(), true, KeyRule::Own(all));
        let mut headers = HeaderMap::new();
        headers.insert(FORM.0, HeaderValue::from_bytes(FORM.1).unwrap());
        let parts =
            Parts { headers: (&headers).into(), query: Some(&query), body: &body, claims: Some(&claims) };
        drop(rules.read(&parts));
    }
}

#[test]
fn a_text_counts_once_however_many_there_are() {
    for count in [1, 2, 15, 16, 17, 18, 40, 200] {
        let types: Vec<String> = (0..count).map(|n| format!("type.{n}")).collect();
        let elements: Vec<String> = types
            .iter()
            .chain(&types)
            .chain(types.iter().rev())
            .map(|kind| format!("{{\"type\":\"{kind}\"}}"))
            .collect();
        let rules = Rules::new(sources("json:/*/type"), vec![], vec![], true);
        let body = format!("[{}]", elements.join(","));
        let event = of_body(&rules, body.as_bytes());
        assert_eq!(event.types, types);
        assert_eq!(event.count, Some(3 * count));
    }
}
