//! The page: rendered here, first state and every later one, so that it can be read without script
//! and nothing a caller sent is ever markup.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::{field, refusals as kept, status};
use crate::rejection::Rejection;
use crate::server::Shared;

/// How it looks.
pub(super) const STYLE: &str = include_str!("page.css");
/// What keeps it live.
pub(super) const SCRIPT: &str = include_str!("page.js");

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <title>gatepost</title>\n\
    <link rel=\"stylesheet\" href=\"/ui/page.css\">\n\
    <script src=\"/ui/page.js\" defer></script>\n\
    <a class=\"skip\" href=\"#refusals\">To the refusals</a>\n\
    <header><h1>gatepost</h1> <span id=\"link\" role=\"status\">not live</span>\n\
    <button id=\"pause\" type=\"button\" aria-pressed=\"false\" hidden>Pause</button></header>\n\
    <main id=\"state\">\n";

/// Text as the inside of an element or a quoted attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Marks that turn text around, and control codes, are shown as what they are.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "\\u{:04x}", u32::from(character))?;
                }
                _ if character.is_control() && character != '\n' => {
                    write!(f, "\\u{:04x}", u32::from(character))?;
                }
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// The text of a member; empty when there is none.
fn text<'v>(value: &'v Value, name: &str) -> Escaped<'v> {
    Escaped(value[name].as_str().unwrap_or_default())
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

/// The whole document.
pub(super) fn whole(shared: &Shared, query: Option<&str>) -> String {
    format!("{HEAD}{}</main>\n", state(shared, query))
}

/// All that changes.
pub(super) fn state(shared: &Shared, query: Option<&str>) -> String {
    let mut page = String::with_capacity(16 * 1024);
    let status = status::status(shared);
    let told = kept(shared, query);
    instance(&mut page, &status);
    routes(&mut page, &status);
    secrets(&mut page, &status);
    refusals(&mut page, &status, array(&told, "refusals"), query);
    let effective = &shared.about.load().effective;
    let _ = writeln!(
        page,
        "<section aria-labelledby=\"setup\"><h2 id=\"setup\">Setup</h2>\
         <p>The app: <code>{}</code></p>\
         <details id=\"config\"><summary>Effective configuration, secrets by name only</summary>\
         <pre tabindex=\"0\">{}</pre></details></section>",
        text(&status, "upstream"),
        Escaped(effective)
    );
    page
}

fn instance(page: &mut String, status: &Value) {
    let config = &status["config"];
    let _ = write!(
        page,
        "<p class=\"facts\"><span>version {}</span> <span>up {}</span> \
         <span>configuration <code>{}</code></span> <span>{} in flight</span> \
         <span>{} connections</span>",
        text(status, "version"),
        duration(number(status, "uptime_seconds")),
        text(config, "hash"),
        number(status, "in_flight"),
        number(status, "connections"),
    );
    if status["draining"] == true {
        page.push_str(" <strong class=\"bad\">stopping</strong>");
    }
    page.push_str("</p>\n");
    let warnings = config["warnings"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if !warnings.is_empty() {
        let count = warnings.len();
        let _ = write!(
            page,
            "<details id=\"warnings\"><summary class=\"warn\">Warnings: {count}</summary><ul>"
        );
        for warning in warnings {
            let _ = write!(
                page,
                "<li>{}",
                Escaped(warning.as_str().unwrap_or_default())
            );
        }
        page.push_str("</ul></details>\n");
    }
    let of_mode = |mode: &str| {
        let routes = status["routes"].as_array();
        routes.map_or(0, |routes| {
            routes.iter().filter(|r| r["mode"] == mode).count()
        })
    };
    for (mode, says) in [
        ("observe", "only observe: requests that fail reach the app"),
        (
            "passthrough",
            "verify nothing: every request reaches the app",
        ),
    ] {
        let count = of_mode(mode);
        if count > 0 {
            let _ = writeln!(page, "<p class=\"banner\">Routes that {says}: {count}</p>");
        }
    }
    if let Some(problems) = config
        .pointer("/last_reload/problems")
        .and_then(Value::as_str)
    {
        let _ = writeln!(
            page,
            "<section class=\"banner bad\" role=\"alert\"><h2>The newest configuration cannot be used</h2>\
             <p>The old one stays in force.</p><pre tabindex=\"0\">{}</pre></section>",
            Escaped(problems)
        );
    }
}

fn routes(page: &mut String, status: &Value) {
    page.push_str(
        "<section aria-labelledby=\"routes\"><h2 id=\"routes\">Routes</h2><div class=\"wide\"><table>\
         <thead><tr><th scope=\"col\">Route<th scope=\"col\">Provider<th scope=\"col\">Mode\
         <th scope=\"col\">Checks<th scope=\"col\" class=\"n\">Forwarded\
         <th scope=\"col\" class=\"n\">Refused<th scope=\"col\" class=\"n\">Failed\
         <th scope=\"col\">Last verified<th scope=\"col\">Last 10 minutes</tr></thead><tbody>\n",
    );
    for route in status["routes"].as_array().into_iter().flatten() {
        let checks: Vec<&str> = route["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mode = route["mode"].as_str().unwrap_or_default();
        let counts = &route["counts"];
        let refused = if mode == "observe" {
            number(counts, "would_reject")
        } else {
            number(counts, "rejected")
        };
        let _ = write!(
            page,
            "<tr><th scope=\"row\"><code>{}</code><td>{}<td class=\"mode {mode}\">{mode}<td>{}\
             <td class=\"n\">{}<td class=\"n\">{refused}{}<td class=\"n\">{}<td>",
            text(route, "path"),
            text(route, "provider"),
            Escaped(&checks.join(", ")),
            number(counts, "forwarded"),
            if mode == "observe" { " would be" } else { "" },
            number(counts, "failed"),
        );
        if let Some(last) = array(route, "secrets").iter().filter_map(last_match).max() {
            let _ = write!(page, "{} ago", ago(last));
        }
        page.push_str("<td>");
        sparkline(page, &route["last_minutes"]);
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div></section>\n");
}

/// Which secrets are in use, by name: what a rotation waits for.
fn secrets(page: &mut String, status: &Value) {
    let mut rows = String::new();
    for route in array(status, "routes") {
        let secrets = array(route, "secrets");
        let newest = secrets.iter().filter_map(last_match).max();
        for secret in secrets {
            let last = last_match(secret);
            let use_of_it = match (last, newest) {
                (Some(last), _) => format!("{} ago", ago(last)),
                (None, _) => "never".to_owned(),
            };
            // Another one has matched since, for a day: nobody signs with this one any more.
            let old = last.is_none_or(|last| since(last) > 86_400) && secrets.len() > 1;
            let verdict = match newest {
                _ if secret["in_force"] != true => "not in force",
                Some(newest) if old && Some(newest) != last => "safe to remove",
                _ => "",
            };
            let _ = writeln!(
                rows,
                "<tr><th scope=\"row\"><code>{}</code><td>{}<td class=\"n\">{}<td>{use_of_it}<td>{}<td>{verdict}</tr>",
                text(route, "path"),
                text(secret, "name"),
                number(secret, "matches"),
                text(secret, "until"),
            );
        }
    }
    if !rows.is_empty() {
        let _ = writeln!(
            page,
            "<section aria-labelledby=\"secrets\"><h2 id=\"secrets\">Secrets and keys, by name</h2>\
             <div class=\"wide\"><table><thead><tr><th scope=\"col\">Route<th scope=\"col\">Name\
             <th scope=\"col\" class=\"n\">Matched<th scope=\"col\">Last match<th scope=\"col\">Until\
             <th scope=\"col\">Rotation</tr></thead><tbody>\n{rows}</tbody></table></div></section>"
        );
    }
}

fn array<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn last_match(secret: &Value) -> Option<Timestamp> {
    secret["last_match"].as_str()?.parse().ok()
}

/// Seconds from then to now.
fn since(then: Timestamp) -> u64 {
    let seconds = Timestamp::now()
        .as_second()
        .saturating_sub(then.as_second());
    u64::try_from(seconds).unwrap_or(0)
}

fn ago(then: Timestamp) -> String {
    duration(since(then))
}

/// A bar for each reading: what came through, and on top what was refused.
fn sparkline(page: &mut String, beats: &Value) {
    let beats: Vec<(u64, u64)> = beats
        .as_array()
        .into_iter()
        .flatten()
        .map(|beat| (beat[0].as_u64().unwrap_or(0), beat[1].as_u64().unwrap_or(0)))
        .collect();
    let sum = |pick: fn(&(u64, u64)) -> u64| beats.iter().map(pick).fold(0, u64::saturating_add);
    let most = beats
        .iter()
        .map(|(forwarded, refused)| forwarded.saturating_add(*refused))
        .max()
        .unwrap_or(0);
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 183 20\" width=\"183\" height=\"20\" role=\"img\" \
         aria-label=\"{} forwarded, {} refused\">",
        sum(|beat| beat.0),
        sum(|beat| beat.1)
    );
    // Twentieths of the tallest; what there is at all is seen.
    let tall = |count: u64| match count.saturating_mul(20).checked_div(most) {
        Some(0) if count > 0 => 1,
        height => height.unwrap_or(0),
    };
    for (index, (forwarded, refused)) in beats.iter().enumerate() {
        let x = index.saturating_mul(3);
        let (low, high) = (tall(*forwarded), tall(*refused));
        for (class, height, y) in [
            ("f", low, 20_u64.saturating_sub(low)),
            ("r", high, 20_u64.saturating_sub(low).saturating_sub(high)),
        ] {
            if height > 0 {
                let _ = write!(
                    page,
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"2\" height=\"{height}\"/>"
                );
            }
        }
    }
    page.push_str("</svg>");
}

fn refusals(page: &mut String, status: &Value, refusals: &[Value], query: Option<&str>) {
    page.push_str(
        "<section aria-labelledby=\"refusals\"><h2 id=\"refusals\" tabindex=\"-1\">Last refusals</h2>\n\
         <form action=\"/ui/\" method=\"get\">",
    );
    let routes = status["routes"].as_array().into_iter().flatten();
    let paths = routes.filter_map(|route| route["path"].as_str());
    choice(page, "route", "Route", paths, query);
    choice(
        page,
        "reason",
        "Reason",
        Rejection::ALL.iter().map(|r| r.code()),
        query,
    );
    page.push_str(" <button>Show</button></form>\n");
    if refusals.is_empty() {
        page.push_str("<p class=\"dim\">None.</p>\n");
    }
    let same = |a: &Value, b: &Value| {
        ["route", "reason", "client_ip", "status"]
            .iter()
            .all(|name| a[*name] == b[*name])
    };
    for group in refusals.chunk_by(same) {
        if let Some(newest) = group.first() {
            refusal(page, newest, group.len());
        }
    }
    page.push_str("</section>\n");
}

fn choice<'a>(
    page: &mut String,
    name: &str,
    label: &str,
    options: impl Iterator<Item = &'a str>,
    query: Option<&str>,
) {
    let chosen = field(query, name);
    let _ = write!(
        page,
        " <label>{label} <select name=\"{name}\"><option value=\"\">all</option>"
    );
    for option in options {
        let selected = if chosen.as_deref() == Some(option) {
            " selected"
        } else {
            ""
        };
        let _ = write!(page, "<option{selected}>{}</option>", Escaped(option));
    }
    page.push_str("</select></label>");
}

/// One refusal, and how many like it came just before.
fn refusal(page: &mut String, refused: &Value, times: usize) {
    let time = refused["at"]
        .as_str()
        .and_then(|ts| ts.get(11..19))
        .unwrap_or_default();
    let id = text(refused, "request_id");
    let _ = write!(
        page,
        "<details id=\"r{id}\"><summary><time>{time}</time> <b class=\"s{}\">{}</b> \
         <code>{}</code> {} <span class=\"dim\">{}{}</span></summary>",
        number(refused, "status") / 100,
        number(refused, "status"),
        text(refused, "route"),
        text(refused, "reason"),
        text(refused, "client_ip"),
        if times > 1 {
            format!(", {times} times")
        } else {
            String::new()
        },
    );
    let examination = &refused["examination"];
    let _ = write!(page, "<p>{}</p>", text(refused, "message"));
    found(page, refused);
    let guesses = examination["guesses"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    match guesses.first() {
        Some(first) => {
            let _ = write!(
                page,
                "<p><b>Likely</b> {}</p><p><b>Fix</b> {}</p>",
                text(first, "text"),
                text(first, "fix")
            );
        }
        None => {
            let _ = write!(page, "<p><b>Fix</b> {}</p>", text(refused, "fix"));
        }
    }
    if let Some(steps) = examination["steps"].as_array() {
        page.push_str("<ol class=\"steps\">");
        for step in steps {
            let state = step["state"].as_str().unwrap_or_default();
            let _ = write!(
                page,
                "<li class=\"{}\"><b>{}</b> {}: {}",
                Escaped(state),
                text(step, "check"),
                Escaped(state),
                text(step, "came")
            );
            if step["expected"]
                .as_str()
                .is_some_and(|expected| !expected.is_empty())
            {
                let _ = write!(
                    page,
                    " <span class=\"dim\">expected {}</span>",
                    text(step, "expected")
                );
            }
        }
        page.push_str("</ol>");
    }
    if guesses.len() > 1 {
        page.push_str("<p>Other causes:</p><ul>");
        for guess in guesses.iter().skip(1) {
            let _ = write!(
                page,
                "<li>{} <i>{}</i>",
                text(guess, "text"),
                text(guess, "fix")
            );
        }
        page.push_str("</ul>");
    }
    let _ = writeln!(
        page,
        "<p class=\"dim\">{} <code>{}</code> {}</p>\
         <p><code>gatepost why {id}</code> <button type=\"button\" class=\"copy\" data-copy=\"{id}\">Copy id</button></p>\
         </details>",
        text(refused, "method"),
        text(refused, "path"),
        text(refused, "user_agent"),
    );
}

/// What was found beside the reason.
fn found(page: &mut String, refused: &Value) {
    if let Some(at) = refused["schema_at"].as_str() {
        let at = if at.is_empty() { "the whole body" } else { at };
        let _ = write!(
            page,
            "<p><b>Schema</b> <code>{}</code> by <code>{}</code></p>",
            Escaped(at),
            text(refused, "schema_keyword")
        );
    }
    if refused["event_key"].is_string() {
        let _ = write!(
            page,
            "<p><b>Event key</b> <code>{}…</code></p>",
            text(refused, "event_key")
        );
    }
}

/// Seconds as people say them, in the two largest units.
fn duration(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_sent_is_never_markup() {
        let hostile = "<img src=x onerror=\"alert('1')\">&\u{202e}\u{1b}[31m\u{9b}";
        let shown = Escaped(hostile).to_string();
        assert_eq!(
            shown,
            "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;\\u202e\\u001b[31m\\u009b"
        );
    }

    #[test]
    fn a_sparkline_stacks_what_was_refused_on_what_came_and_hides_nothing() {
        let drawn = |beats: &Value| {
            let mut page = String::new();
            sparkline(&mut page, beats);
            page
        };
        let beats = serde_json::json!([[10, 0], [0, 0], [5, 5], [0, 10]]);
        assert_eq!(
            drawn(&beats),
            "<svg viewBox=\"0 0 183 20\" width=\"183\" height=\"20\" role=\"img\" \
             aria-label=\"15 forwarded, 15 refused\">\
             <rect class=\"f\" x=\"0\" y=\"0\" width=\"2\" height=\"20\"/>\
             <rect class=\"f\" x=\"6\" y=\"10\" width=\"2\" height=\"10\"/>\
             <rect class=\"r\" x=\"6\" y=\"0\" width=\"2\" height=\"10\"/>\
             <rect class=\"r\" x=\"9\" y=\"0\" width=\"2\" height=\"20\"/></svg>"
        );
        // One refusal among thousands is seen.
        assert!(drawn(&serde_json::json!([[9999, 1]])).contains("class=\"r\""));
        assert!(!drawn(&Value::Null).contains("rect"));
    }

    #[test]
    fn durations_read_well() {
        for (seconds, told) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3600, "1 h 0 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), told);
        }
    }
}
