//! A rate per client: the generic cell rate algorithm (ITU-T I.371) on a bounded table.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::units::Rate;

/// More clients than this at once are an attack: then those that are idle are forgotten.
const MAX_CLIENTS: usize = 65_536;

/// When each client has used up what it sent, per route.
#[derive(Debug, Default)]
pub(super) struct Meters {
    due: Mutex<HashMap<(usize, u128), Instant>>,
}

impl Meters {
    /// Counts a request of `client` on the route at `index`; false when it exceeds `rate`.
    pub(super) fn admit(&self, index: usize, client: IpAddr, rate: &Rate, now: Instant) -> bool {
        let interval = rate.period / rate.count.max(1);
        let allowance = interval.saturating_mul(rate.burst.max(1));
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= MAX_CLIENTS {
            due.retain(|_, due| *due > now);
            if due.len() >= MAX_CLIENTS {
                due.clear();
            }
        }
        let slot = due.entry((index, client_key(client))).or_insert(now);
        let next = (*slot).max(now) + interval;
        if next.saturating_duration_since(now) > allowance.max(Duration::from_nanos(1)) {
            return false;
        }
        *slot = next;
        true
    }
}

/// One client: an IPv4 address, or the /64 that an IPv6 customer is given.
fn client_key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let meters = Meters::default();
        let rate = Rate {
            count: 10,
            period: Duration::from_secs(1),
            burst: 3,
        };
        let client: IpAddr = "203.0.113.9".parse().unwrap();
        let start = Instant::now();
        let passed = (0..10)
            .filter(|_| meters.admit(0, client, &rate, start))
            .count();
        assert_eq!(passed, 3);
        assert!(meters.admit(0, client, &rate, start + Duration::from_millis(100)));
        assert!(!meters.admit(0, client, &rate, start + Duration::from_millis(100)));
        assert!(
            meters.admit(1, client, &rate, start),
            "another route has a meter of its own"
        );
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        assert_eq!(
            client_key("2001:db8::1".parse().unwrap()),
            client_key("2001:db8::2".parse().unwrap())
        );
        assert_ne!(
            client_key("2001:db8::1".parse().unwrap()),
            client_key("2001:db8:0:1::1".parse().unwrap())
        );
        assert_ne!(
            client_key("1.2.3.4".parse().unwrap()),
            client_key("1.2.3.5".parse().unwrap())
        );
    }
}
