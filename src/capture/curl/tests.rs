use super::*;

fn read(command: &[u8]) -> Result<Draft, String> {
    super::read(command, &|name| match name {
        "headers" => Ok(b"X-A: 1\r\n\n@headers: 2\n".to_vec()),
        "itself" => Ok(b"@itself\n".to_vec()),
        _ => Err(std::io::Error::other("not there")),
    })
}

#[test]
fn commands_are_read_as_a_shell_and_curl_would() {
    for (command, method, target, body) in [
        ("curl http://h/a", "GET", "http://h/a", &b""[..]),
        (
            "curl h:8080/a -d x=1 -d 'y=2'",
            "POST",
            "http://h:8080/a",
            b"x=1&y=2",
        ),
        (
            r#"curl -sS -XPUT --url "https://h/a" --data-raw '@x'"#,
            "PUT",
            "https://h/a",
            b"@x",
        ),
        (
            "curl https://h/a --data-binary $'{\"a\":\"\\u00e9\\n\\x41\\101\\'}' | jq",
            "POST",
            "https://h/a",
            b"{\"a\":\"\xc3\xa9\nAA'}",
        ),
        (
            "curl 'https://h/a' \\\n  -H 'A: b' \\\n  --json '{\"a\": 1}' --compressed",
            "POST",
            "https://h/a",
            b"{\"a\": 1}",
        ),
        (
            "curl -G https://h/a?b=c --data-urlencode 'd=e f'",
            "GET",
            "https://h/a?b=c&d=e%20f",
            b"",
        ),
        (
            "curl -o/dev/null -w '%{http_code}' -m5 https://h/a",
            "GET",
            "https://h/a",
            b"",
        ),
        (
            r#"curl https://h/a -d "{\"a\":\"b\"}""#,
            "POST",
            "https://h/a",
            b"{\"a\":\"b\"}",
        ),
    ] {
        let draft = read(command.as_bytes()).expect(command);
        assert_eq!(
            (&*draft.method, &*draft.target),
            (method, target),
            "{command}"
        );
        assert_eq!(draft.body, body, "{command}");
    }
    let draft = read(b"curl -u 'a:b c' -H 'X-A: 1' -H 'X-B;' -H 'X-C:' -A me h").unwrap();
    assert_eq!(draft.value("authorization"), Some("Basic YTpiIGM="));
    assert_eq!(draft.value("x-a"), Some("1"));
    assert_eq!(draft.value("x-b"), Some(""));
    assert!(!draft.has("x-c"));
    assert_eq!(draft.value("user-agent"), Some("me"));
    let draft = read(b"curl -H @headers h").unwrap();
    assert_eq!(
        (draft.value("x-a"), draft.value("@headers")),
        (Some("1"), Some("2"))
    );
}

#[test]
fn what_would_send_other_bytes_is_an_error() {
    for command in [
        "curl -F a=b h",
        "curl -d @- h",
        "curl --nonsense h",
        "curl -d @/nonexistent/x h",
        "curl",
        "curl -H nocolon h",
        "curl 'h",
        "curl -H",
        "curl -H @itself h",
    ] {
        assert!(read(command.as_bytes()).is_err(), "{command}");
    }
}
