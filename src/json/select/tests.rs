use super::*;

fn read(pointer: &str, body: &str) -> Result<String, NotJson> {
    let selection = Selection::new(&[Pointer::parse(pointer).unwrap()]);
    let document = selection.read(body.as_bytes())?;
    let found = &document.found[0];
    assert!(found.values.is_empty() || !found.ambiguous);
    let shown = found.values.iter().map(|value| match value {
        Value::NotScalar => "(not scalar)",
        Value::Text(text) => text,
    });
    Ok(if found.ambiguous {
        "(ambiguous)".to_owned()
    } else {
        shown.collect::<Vec<_>>().join("|")
    })
}

/// Two readers read bytes that are no UTF-8 as two texts.
#[test]
fn what_is_no_utf8_is_no_json_wherever_it_stands() {
    let long = "x".repeat(700);
    let whole = format!("{{\"type\":\"abc\",\"{long}\":[\"{long}\", 1],\"é\":\"{long}\"}}");
    let selection = Selection::new(&[Pointer::parse("/type").unwrap()]);
    assert!(selection.read(whole.as_bytes()).is_ok());
    for at in 0..whole.len() {
        for byte in [0x80, 0xc3, 0xed, 0xff] {
            let mut body = whole.clone().into_bytes();
            body[at] = byte;
            if std::str::from_utf8(&body).is_err() {
                assert_eq!(selection.read(&body), Err(NotJson), "{at}");
                assert!(crate::json::Members::read(&body).is_err(), "{at}");
            }
        }
    }
}

#[test]
fn finds_the_value_as_it_was_sent() {
    for (pointer, body, expected) in [
        ("/type", r#"{"type":"a"}"#, "a"),
        (
            "/type",
            " { \"x\" : [1, {\"type\":2}] , \"type\" : \"a\" } \r\n",
            "a",
        ),
        (
            "/type",
            r#"{"t\u0079pe":"\u00e9\n\"\\\ud83d\ude00"}"#,
            "é\n\"\\😀",
        ),
        ("/type", r#"{"type":""}"#, ""),
        ("/type", r#"{"type":"\""}"#, "\""),
        ("/type", r#"{"type":true}"#, "true"),
        ("/type", r#"{"type":false}"#, "false"),
        (
            "/type",
            r#"{"type":12345678901234567890123}"#,
            "12345678901234567890123",
        ),
        ("/type", r#"{"type":-0}"#, "-0"),
        ("/type", r#"{"type":1.10e+3}"#, "1.10e+3"),
        ("/type", r#"{"type":1e999 }"#, "1e999"),
        ("/type", r#"{"type":null}"#, ""),
        ("/type", r#"{"Type":"a","type ":"b"}"#, ""),
        ("/type", r#"{"type":{}}"#, "(not scalar)"),
        ("/type", r#"{"type":["a"]}"#, "(not scalar)"),
        ("/type", r#"["type"]"#, ""),
        ("/type", r#""type""#, ""),
        ("/a/b", r#"{"a":{"b":1},"b":2}"#, "1"),
        ("/a/b", r#"{"a":"b"}"#, ""),
        ("/a/b", r#"{"a":null}"#, ""),
        ("/a~1b/m~0n", r#"{"a/b":{"m~n":1}}"#, "1"),
        ("/", r#"{"":1}"#, "1"),
        ("", r#" "whole" "#, "whole"),
        ("", "17", "17"),
        ("", "null", ""),
        ("", "[1]", "(not scalar)"),
        ("/0/x", r#"[{"x":1},{"x":2}]"#, "1"),
        ("/1", "[1,2]", "2"),
        ("/2", "[1,2]", ""),
        ("/01", "[1,2]", ""),
        ("/-", "[1,2]", ""),
        ("/0", r#"{"0":1}"#, "1"),
        ("/01", r#"{"01":1}"#, "1"),
        ("/*", "[1,null,[],2]", "1|(not scalar)|2"),
        ("/*", r#"{"*":1}"#, ""),
        ("/*/x", r#"[{"x":1},{"y":2},{"x":3},4]"#, "1|3"),
        (
            "/e/*/x/*",
            r#"{"e":[{"x":[1,2]},{"x":3},{"x":[4]}]}"#,
            "1|2|4",
        ),
        ("/é", r#"{"é":1}"#, "1"),
    ] {
        assert_eq!(
            read(pointer, body).as_deref(),
            Ok(expected),
            "{pointer} {body}"
        );
    }
}

/// The table of what other readers make of it: some the last, some the first value.
#[test]
fn a_key_repeated_on_the_way_is_ambiguous() {
    for (pointer, body, ambiguous) in [
        (
            "/event",
            r#"{"event":"A","x":{"event":"no"},"event":"B"}"#,
            true,
        ),
        ("/event", r#"{"event":"A","x":{"event":"no"}}"#, false),
        ("/event", r#"{"event":"A","event":"A"}"#, true),
        ("/event", r#"{"event":"A","\u0065vent":"B"}"#, true),
        ("/event", r#"{"event":"A","event":null}"#, true),
        (
            "/event",
            r#"{"event":"A","x":1,"x":2,"y":{"event":1,"event":2}}"#,
            false,
        ),
        ("/a/b", r#"{"a":{"b":1},"a":{}}"#, true),
        ("/a/b", r#"{"a":{"b":1,"b":2}}"#, true),
        ("/a/b", r#"{"a":{"b":1},"b":2,"b":3}"#, false),
        ("/a/b", r#"{"a":{"b":{"c":1,"c":2}}}"#, false),
        ("/*/t", r#"[{"t":1},{"t":2}]"#, false),
        ("/*/t", r#"[{"t":1},{"t":2,"t":2}]"#, true),
        ("/0/t", r#"[{"t":1},{"t":2,"t":2}]"#, false),
        ("/1/t", r#"[{"t":1},{"t":2,"t":2}]"#, true),
        ("/0", r#"{"0":1,"0":1}"#, true),
        ("", r#"{"a":1,"a":1}"#, false),
    ] {
        let shown = read(pointer, body).unwrap();
        assert_eq!(
            shown == "(ambiguous)",
            ambiguous,
            "{pointer} {body}: {shown}"
        );
    }
}

#[test]
fn a_key_in_other_letters_is_one_that_is_repeated_where_it_decides() {
    for (pointer, body, ambiguous) in [
        ("/type", r#"{"type":"a","Type":"b"}"#, true),
        ("/type", r#"{"TYPE":"b","type":"a"}"#, true),
        ("/type", r#"{"T\u0079pe":"b"}"#, true),
        ("/key", r#"{"key":1,"\u212aey":2}"#, true),
        ("/is", r#"{"is":1,"i\u017f":2}"#, true),
        ("/is", "{\"is\":1,\"i\u{17f}\":2}", true),
        ("/a/b", r#"{"a":{"b":1},"A":{}}"#, true),
        ("/a/b", r#"{"a":{"b":1,"B":2}}"#, true),
        ("/a/b", r#"{"a":{"b":1},"B":2,"x":{"A":1}}"#, false),
        ("/type", r#"{"type":"a","types":"b","x":{"Type":1}}"#, false),
    ] {
        let pointer = Pointer::parse(pointer).unwrap();
        let read =
            |selection: Selection| selection.read(body.as_bytes()).unwrap().found[0].ambiguous;
        assert_eq!(
            read(Selection::strict(std::slice::from_ref(&pointer))),
            ambiguous,
            "{body}"
        );
        assert!(!read(Selection::new(&[pointer])), "{body}");
    }
}

#[test]
fn what_is_not_json_to_its_end_is_refused() {
    let nested = |depth: usize| {
        format!(
            r#"{{"type":1,"x":{}"[[\"[["{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert_eq!(read("/type", &nested(127)).as_deref(), Ok("1"));
    assert_eq!(read("/type", &nested(128)), Err(NotJson));
    assert_eq!(read("/type", &nested(500_000)), Err(NotJson));
    for body in [
        "",
        " ",
        r#"{"type":1}x"#,
        r#"{"type":1}{}"#,
        r#"{"type":1"#,
        r#"{"type":1,}"#,
        r#"{"type":1,"x":[1,]}"#,
        r#"{"type":1,"x":[}"#,
        r#"{"type":1,"x":'a'}"#,
        r#"{"type":1,"x":01}"#,
        r#"{"type":1,"x":NaN}"#,
        r#"{"type":1,"x":"\x"}"#,
        "{\"type\":1,\"x\":\"\n\"}",
        r#"{"type":1/**/}"#,
        r#"{"type":"\ud800"}"#,
        r#"{"type":1,"\udc00":2}"#,
        "{type:1}",
        "\u{feff}{\"type\":1}",
        "type=1",
    ] {
        assert_eq!(read("/type", body), Err(NotJson), "{body}");
    }
    let selection = Selection::new(&[Pointer::parse("/type").unwrap()]);
    for body in [
        &b"{\"type\":1,\"x\":\"\xff\"}"[..],
        b"{\"type\":1,\"\xc0\xaf\":2}",
        b"\0",
    ] {
        assert_eq!(selection.read(body), Err(NotJson), "{body:?}");
    }
}

#[test]
fn reads_several_pointers_at_once_in_their_order() {
    let pointers = ["/b", "/a/c", "/a", "/*/c", "/0/c", "/0", "/b", ""];
    let pointers = pointers.map(|text| Pointer::parse(text).unwrap());
    let selection = Selection::new(&pointers);
    let shown = |body: &str| {
        let document = selection.read(body.as_bytes()).unwrap();
        let values = document.found.iter().map(|found| {
            let values = found.values.iter().map(|value| match value {
                Value::NotScalar => "-",
                Value::Text(text) => text,
            });
            let values = values.collect::<Vec<_>>().join("|");
            if found.ambiguous {
                "!".to_owned()
            } else {
                values
            }
        });
        values.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(r#"{"a":{"c":1},"b":2}"#), "2 1 -    2 -");
    assert_eq!(shown(r#"[{"c":1},{"c":2}]"#), "   1|2 1 -  -");
    assert_eq!(shown(r#"{"a":{"c":1,"c":1},"b":2}"#), "2 ! -    2 -");
    assert_eq!(shown(r#"{"a":{"c":1},"b":2,"b":3}"#), "! 1 -    ! -");
    assert_eq!(shown(r#"[{"c":1,"c":1}]"#), "   ! ! -  -");
}

#[test]
fn counts_the_root_and_the_array_of_the_first_star() {
    let pointers = ["/*/x", "/e/*/x/*", "/e", ""].map(|text| Pointer::parse(text).unwrap());
    let selection = Selection::new(&pointers);
    for (body, root, elements) in [
        ("[]", Some(0), [Some(0), None]),
        (r#"[{"x":1},2,null]"#, Some(3), [Some(3), None]),
        (r#"{"e":[{"x":[1,2,3]},{}]}"#, None, [None, Some(2)]),
        (r#"{"e":{"x":1}}"#, None, [None, None]),
        ("1", None, [None, None]),
    ] {
        let document = selection.read(body.as_bytes()).unwrap();
        assert_eq!(document.root_elements, root, "{body}");
        let counts = [document.found[0].elements, document.found[1].elements];
        assert_eq!(counts, elements, "{body}");
        assert_eq!(document.found[2].elements, None, "{body}");
    }
    assert_eq!(
        Selection::new(&[]).read(b"[1,2]").unwrap().root_elements,
        Some(2)
    );
}

#[test]
fn borrows_what_needs_no_unescaping() {
    let selection = Selection::new(&[Pointer::parse("/t").unwrap()]);
    let document = selection.read(br#"{"t":"plain"}"#).unwrap();
    assert!(matches!(
        &document.found[0].values[..],
        [Value::Text(Cow::Borrowed("plain"))]
    ));
}
