//! Messages with a `Content-Length`, as little parsed as can be.

/// The length of the first message in `bytes` and its status (0 for a request); `None` while it is
/// not whole.
pub fn first(bytes: &[u8]) -> Option<(usize, u16)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..head)?).expect("a head in ASCII");
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or(0);
    let length = text
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    (bytes.len() >= head + length).then_some((head + length, status))
}

/// Times to an answer, in microseconds, and how the answers were.
#[derive(Default)]
pub struct Times {
    micros: Vec<u32>,
    good: usize,
}

impl Times {
    pub fn add(&mut self, time: std::time::Duration, status: u16) {
        self.micros
            .push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
        self.good += usize::from((200..300).contains(&status));
    }

    pub fn join(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.good += other.good;
    }

    pub fn print(mut self, seconds: f64, processor: f64) {
        self.micros.sort_unstable();
        let at = |per_mille: usize| {
            let place = self.micros.len() * per_mille / 1000;
            self.micros
                .get(place)
                .or(self.micros.last())
                .copied()
                .unwrap_or(0)
        };
        println!(
            "{{\"requests\":{},\"good\":{},\"seconds\":{seconds:.4},\"processor\":{processor:.6},\"p50\":{},\"p99\":{}}}",
            self.micros.len(),
            self.good,
            at(500),
            at(990)
        );
    }
}
