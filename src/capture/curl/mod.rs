//! A `curl` command line, by curl's own rules (<https://curl.se/docs/manpage.html>) and those of a
//! shell.

mod quoting;

use self::quoting::plain_quotes;
use super::{Draft, Files, shown};
use crate::encoding::Encoding;

/// Options without a value that do not change what is signed.
const FLAGS: &str = "#:0 #:1.0 anyauth basic compressed fail fail-early fail-with-body globoff http0.9 \
    http1.0 http1.1 http2 http2-prior-knowledge http3 include insecure ipv4 ipv6 location \
    location-trusted no-buffer no-progress-meter path-as-is progress-bar remote-name show-error silent \
    tcp-nodelay tlsv1 tlsv1.2 tlsv1.3 verbose no-keepalive remote-header-name";

/// Options with a value that do not change what is signed.
const VALUES: &str = "cacert capath cert cert-type ciphers connect-timeout connect-to cookie-jar \
    dump-header interface key key-type keepalive-time limit-rate max-redirs max-time output pass proxy \
    proxy-user resolve retry retry-delay retry-max-time stderr trace trace-ascii unix-socket write-out \
    noproxy dns-servers tls-max";

/// Short options and their long names.
const SHORT: [(char, &str); 38] = [
    ('#', "progress-bar"),
    ('0', "http1.0"),
    ('1', "tlsv1"),
    ('4', "ipv4"),
    ('6', "ipv6"),
    ('A', "user-agent"),
    ('b', "cookie"),
    ('c', "cookie-jar"),
    ('d', "data"),
    ('D', "dump-header"),
    ('e', "referer"),
    ('E', "cert"),
    ('f', "fail"),
    ('F', "form"),
    ('g', "globoff"),
    ('G', "get"),
    ('H', "header"),
    ('i', "include"),
    ('I', "head"),
    ('J', "remote-header-name"),
    ('k', "insecure"),
    ('L', "location"),
    ('m', "max-time"),
    ('N', "no-buffer"),
    ('o', "output"),
    ('O', "remote-name"),
    ('r', "range"),
    ('s', "silent"),
    ('S', "show-error"),
    ('T', "upload-file"),
    ('u', "user"),
    ('v', "verbose"),
    ('w', "write-out"),
    ('x', "proxy"),
    ('X', "request"),
    ('U', "proxy-user"),
    ('j', "junk-session-cookies"),
    ('q', "disable"),
];

/// Reads the command.
pub(super) fn read(command: &[u8], files: Files<'_>) -> Result<Draft, String> {
    let plain = plain_quotes(command);
    let words = shlex::bytes::split(&plain).ok_or("a quote of the curl command is not closed")?;
    // What follows in a pipe or the next command is not curl's.
    let ends =
        |word: &Vec<u8>| matches!(&**word, b"|" | b"||" | b"&&" | b";" | b">" | b"2>" | b"&");
    let mut words = words.into_iter().take_while(|word| !ends(word)).skip(1);
    let mut reading = Reading {
        draft: Draft::default(),
        url: None,
        data: None,
        get: false,
        head: false,
        files,
    };
    let mut literal = false;
    while let Some(word) = words.next() {
        if literal || !word.starts_with(b"-") || word == b"-" {
            reading.url(&word)?;
            continue;
        }
        if word == b"--" {
            literal = true;
            continue;
        }
        let text = String::from_utf8(word).map_err(|_| "an option is not text".to_owned())?;
        if let Some(long) = text.strip_prefix("--") {
            reading.option(long, &mut || words.next())?;
            continue;
        }
        let mut rest = text.chars().skip(1);
        while let Some(short) = rest.next() {
            let name = SHORT
                .iter()
                .find(|(letter, _)| *letter == short)
                .map(|(_, name)| *name);
            let Some(name) = name else {
                return Err(format!(
                    "the option `-{}` of curl is not known here",
                    short.escape_debug()
                ));
            };
            if !takes_value(name) {
                reading.option(name, &mut || None)?;
                continue;
            }
            let attached: String = rest.collect();
            let mut attached = Some(attached)
                .filter(|text| !text.is_empty())
                .map(String::into_bytes);
            reading.option(name, &mut || attached.take().or_else(|| words.next()))?;
            break;
        }
    }
    reading.finish()
}

fn takes_value(name: &str) -> bool {
    const OWN: &str = "user-agent cookie data data-ascii data-raw data-binary data-urlencode json \
        referer form form-string header request user url oauth2-bearer upload-file range aws-sigv4 \
        url-query request-target proto";
    listed(OWN, name) || listed(VALUES, name)
}

fn listed(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|other| other == name)
}

struct Reading<'f> {
    draft: Draft,
    url: Option<String>,
    data: Option<Vec<u8>>,
    get: bool,
    head: bool,
    files: Files<'f>,
}

impl Reading<'_> {
    fn url(&mut self, word: &[u8]) -> Result<(), String> {
        let text =
            String::from_utf8(word.to_vec()).map_err(|_| "the URL is not text".to_owned())?;
        if self.url.is_some() {
            self.draft
                .notes
                .push("the command has several URLs: the first is taken".into());
        } else {
            self.url = Some(text);
        }
        Ok(())
    }

    fn option(
        &mut self,
        name: &str,
        next: &mut dyn FnMut() -> Option<Vec<u8>>,
    ) -> Result<(), String> {
        if !takes_value(name) {
            match name {
                "get" => self.get = true,
                "head" => self.head = true,
                "http1.0" => self.draft.http10 = true,
                "junk-session-cookies" | "disable" => {}
                _ if listed(FLAGS, name) || name.starts_with("no-") => {}
                _ => {
                    return Err(format!(
                        "the option `--{}` of curl is not known here",
                        name.escape_debug()
                    ));
                }
            }
            if name == "compressed" && !self.draft.has("accept-encoding") {
                self.draft.push("Accept-Encoding", "deflate, gzip");
            }
            return Ok(());
        }
        let value = next().ok_or_else(|| format!("the option `{name}` of curl lacks its value"))?;
        let text = || {
            String::from_utf8(value.clone())
                .map_err(|_| format!("the value of `{name}` is not text"))
        };
        match name {
            "request" => self.draft.method = text()?,
            "url" => self.url(&value)?,
            "header" => self.header(&value)?,
            "user-agent" => self.draft.push("User-Agent", value),
            "referer" => self.draft.push("Referer", value),
            "cookie" => self.draft.push("Cookie", value),
            "oauth2-bearer" => self
                .draft
                .push("Authorization", [b"Bearer ", &*value].concat()),
            "user" => {
                let encoded = Encoding::Base64.encode(&value);
                self.draft.push("Authorization", format!("Basic {encoded}"));
            }
            // curl takes line ends and NUL out of a file, but not out of an argument.
            "data" | "data-ascii" => {
                let bytes = match value.strip_prefix(b"@") {
                    Some(file) => self
                        .file(file)?
                        .into_iter()
                        .filter(|b| !matches!(b, b'\r' | b'\n' | 0))
                        .collect(),
                    None => value,
                };
                self.add(&bytes, b"&");
            }
            "data-binary" => {
                let bytes = match value.strip_prefix(b"@") {
                    Some(file) => self.file(file)?,
                    None => value,
                };
                self.add(&bytes, b"&");
            }
            "data-raw" => self.add(&value, b"&"),
            "data-urlencode" => {
                let bytes = self.urlencoded(&value)?;
                self.add(&bytes, b"&");
            }
            "json" => {
                let bytes = match value.strip_prefix(b"@") {
                    Some(file) => self.file(file)?,
                    None => value,
                };
                self.add(&bytes, b"");
                for name in ["Content-Type", "Accept"] {
                    if !self.draft.has(name) {
                        self.draft.push(name, "application/json");
                    }
                }
            }
            "upload-file" => {
                let bytes = self.file(&value)?;
                self.data = Some(bytes);
                if self.draft.method.is_empty() {
                    self.draft.method = "PUT".into();
                }
            }
            "form" | "form-string" => {
                return Err("the body of a multipart form depends on a boundary that curl makes up: capture the request itself".into());
            }
            "aws-sigv4" | "url-query" | "request-target" => {
                return Err(format!("the option `--{name}` of curl is not known here"));
            }
            _ => {}
        }
        Ok(())
    }

    fn header(&mut self, value: &[u8]) -> Result<(), String> {
        let Some(file) = value.strip_prefix(b"@") else {
            return self.header_line(value);
        };
        // A line of it names no other file.
        for line in self.file(file)?.split(|b| *b == b'\n') {
            if !line.trim_ascii().is_empty() {
                self.header_line(line.trim_ascii())?;
            }
        }
        Ok(())
    }

    fn header_line(&mut self, value: &[u8]) -> Result<(), String> {
        let cut = value
            .iter()
            .position(|b| matches!(b, b':' | b';'))
            .unwrap_or(value.len());
        let (name, rest) = value.split_at(cut);
        let name =
            String::from_utf8(name.to_vec()).map_err(|_| "a header name is not text".to_owned())?;
        match rest.split_first() {
            // `X-Name:` removes a header, `X-Name;` sends an empty one.
            Some((b':', rest)) if rest.trim_ascii().is_empty() => {
                self.draft
                    .headers
                    .retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
            }
            Some((b':', rest)) => self.draft.push(&name, rest.trim_ascii().to_vec()),
            Some((b';', _)) => self.draft.push(&name, Vec::new()),
            _ => return Err("a `-H` of curl has no colon".into()),
        }
        Ok(())
    }

    fn add(&mut self, bytes: &[u8], between: &[u8]) {
        match &mut self.data {
            Some(data) => {
                data.extend_from_slice(between);
                data.extend_from_slice(bytes);
            }
            None => self.data = Some(bytes.to_vec()),
        }
    }

    fn finish(mut self) -> Result<Draft, String> {
        let url = self.url.ok_or("the curl command has no URL")?;
        let mut url = if url.contains("://") {
            url
        } else {
            format!("http://{url}")
        };
        if let Some((start, _)) = url.split_once('#') {
            url = String::from(start);
        }
        if self.get
            && let Some(data) = self.data.take()
        {
            let mark = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{mark}{}", String::from_utf8_lossy(&data));
        }
        let draft = &mut self.draft;
        draft.target = url;
        if draft.method.is_empty() {
            draft.method = match (&self.data, self.head) {
                (_, true) => "HEAD",
                (Some(_), false) => "POST",
                (None, false) => "GET",
            }
            .into();
        }
        if let Some(data) = self.data {
            if !draft.has("content-type") {
                draft.push("Content-Type", "application/x-www-form-urlencoded");
            }
            draft.body = data;
        }
        Ok(self.draft)
    }
}

impl Reading<'_> {
    fn file(&self, name: &[u8]) -> Result<Vec<u8>, String> {
        let name = std::str::from_utf8(name).map_err(|_| "a file name is not text".to_owned())?;
        if name == "-" {
            return Err("the command reads standard input, which is not there any more".into());
        }
        (self.files)(name).map_err(|error| format!("{}: {error}", shown(name)))
    }

    /// `content`, `=content`, `name=content`, `@file`, `name@file`.
    fn urlencoded(&self, value: &[u8]) -> Result<Vec<u8>, String> {
        let cut = value.iter().position(|b| matches!(b, b'=' | b'@'));
        let (name, content) = match cut.and_then(|at| value.split_at_checked(at)) {
            None => (&[][..], value.to_vec()),
            Some((name, rest)) => {
                let content = rest.get(1..).unwrap_or_default();
                let content = if rest.starts_with(b"@") {
                    self.file(content)?
                } else {
                    content.to_vec()
                };
                (name, content)
            }
        };
        let mut bytes = name.to_vec();
        if !name.is_empty() {
            bytes.push(b'=');
        }
        for byte in content {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    bytes.push(byte);
                }
                _ => bytes.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
