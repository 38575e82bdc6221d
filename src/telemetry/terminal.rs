//! A request in two lines, as somebody at a terminal reads it.

use super::line::escape;

/// What there is to say.
pub(super) struct Words<'a> {
    pub(super) clock: &'a str,
    /// The route, or the path where there is none.
    pub(super) route: &'a str,
    pub(super) kind: &'a str,
    pub(super) client: &'a str,
    pub(super) bytes: usize,
    pub(super) status: u16,
    pub(super) outcome: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) milliseconds: f64,
    pub(super) verify: f64,
    pub(super) request_id: &'a str,
}

/// An arrow in, and an arrow back or a cross. Texts of the caller are escaped.
pub(super) fn words(words: &Words<'_>) -> String {
    let shown = |text: &str| {
        let mut escaped = String::new();
        escape(&mut escaped, &text.chars().take(120).collect::<String>());
        escaped
    };
    let Words {
        clock,
        client,
        bytes,
        status,
        outcome,
        milliseconds,
        verify,
        request_id,
        ..
    } = words;
    let kind = if words.kind.is_empty() {
        "-"
    } else {
        words.kind
    };
    let came = format!(
        "{clock}  ->  {}  {}  {bytes} B  {client}\n",
        shown(words.route),
        shown(kind)
    );
    match words.reason {
        None => format!(
            "{came}{clock}  <-  {status} {outcome}  {milliseconds} ms (verify {verify})  {request_id}\n"
        ),
        Some(reason) => {
            format!("{came}{clock}  x   {status} {outcome}  {reason}  gatepost why {request_id}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_however_hostile() {
        let mut said = Words {
            clock: "11:20:31",
            route: "/webhooks/prelude",
            kind: "verify.authentication",
            client: "34.252.67.209",
            bytes: 812,
            status: 200,
            outcome: "forwarded",
            reason: None,
            milliseconds: 0.6,
            verify: 0.2,
            request_id: "01J",
        };
        assert_eq!(
            words(&said),
            "11:20:31  ->  /webhooks/prelude  verify.authentication  812 B  34.252.67.209\n\
             11:20:31  <-  200 forwarded  0.6 ms (verify 0.2)  01J\n"
        );
        said.kind = "a\n\u{1b}[31mb\u{202e}";
        said.reason = Some("no_route");
        let text = words(&said);
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.bytes()
                .all(|b| b == b'\n' || (b' '..=b'~').contains(&b))
        );
    }
}
