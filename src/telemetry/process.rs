//! What the process costs, read when somebody asks: the standard names of Prometheus
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).

use std::fmt::Write as _;

/// Clock ticks in a second of `/proc` (`USER_HZ`, proc(5)).
const TICKS: f64 = 100.0;

/// Name, type, help.
pub(super) const METRICS: [(&str, &str, &str); 4] = [
    (
        "process_cpu_seconds_total",
        "counter",
        "Processor time used",
    ),
    ("process_open_fds", "gauge", "Open file descriptors"),
    ("process_resident_memory_bytes", "gauge", "Memory in use"),
    (
        "process_start_time_seconds",
        "gauge",
        "When the process started, in Unix time",
    ),
];

/// Adds what `/proc` tells; where there is none, nothing.
pub(super) fn render(text: &mut String) {
    for (name, kind, help) in METRICS {
        let Some(value) = value(name) else { continue };
        let base = name.strip_suffix("_total").unwrap_or(name);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "# HELP {base} {help}.\n# TYPE {base} {kind}\n{name} {value}\n"
        );
    }
}

fn value(name: &str) -> Option<f64> {
    match name {
        "process_cpu_seconds_total" => {
            let ticks = field(14)? + field(15)?;
            Some(ticks / TICKS)
        }
        "process_open_fds" => {
            let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
            u32::try_from(count).ok().map(f64::from)
        }
        "process_resident_memory_bytes" => {
            let status = std::fs::read_to_string("/proc/self/status").ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kilobytes * 1024.0)
        }
        "process_start_time_seconds" => {
            let stat = std::fs::read_to_string("/proc/stat").ok()?;
            let boot: f64 = stat
                .lines()
                .find_map(|line| line.strip_prefix("btime "))?
                .parse()
                .ok()?;
            Some(boot + field(22)? / TICKS)
        }
        _ => None,
    }
}

/// A field of `/proc/self/stat`, from 1, as proc(5) counts them.
fn field(number: usize) -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything.
    let rest = stat.rsplit_once(") ")?.1;
    rest.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_are_there_on_linux() {
        let mut text = String::new();
        render(&mut text);
        for (name, ..) in METRICS {
            assert!(text.contains(&format!("\n{name} ")), "{name}: {text}");
        }
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let started = value("process_start_time_seconds").unwrap();
        assert!((0.0..3600.0).contains(&(now.as_secs_f64() - started)));
        assert!(value("process_resident_memory_bytes").unwrap() > 1e6);
    }
}
