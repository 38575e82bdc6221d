//! Signed by `send`'s machinery, sent to the real binary: one process, one route per provider.

use gatepost::config::sample::{self, Sample};
use gatepost::route::Route;
use gatepost::sign::{self, PrivateKey, Tamper, sign};
use gatepost::verify::{Moment, Plan};
use http::{HeaderMap, HeaderValue};

use super::{Shipped, loaded, plan, private_keys, shipped, variables};
use crate::harness::{Delivery, Gatepost, Setup, Upstream};

const TAMPERS: [Tamper; 5] = [
    Tamper::Body,
    Tamper::Key,
    Tamper::Missing,
    Tamper::Signature,
    Tamper::Time,
];

#[test]
fn every_provider_is_accepted_and_no_tampering_of_it() {
    let app = Upstream::recording();
    let all = shipped();
    let keys = private_keys(&all);
    let variables = variables(&all, &keys, Shipped::secret);
    let routes: String = all.iter().map(Shipped::local_route).collect();
    let mut setup = Setup::new(&app).toml(&routes);
    for (name, value) in &variables {
        setup = setup.env(name, value);
    }
    let gate = setup.start();
    let loaded = loaded(&gate.folder.path().join("sidecar.toml"), variables);
    let config = loaded.config.as_ref().unwrap();
    let mut genuine = 0;
    for (provider, route) in all.iter().zip(config.routes.all()) {
        let one = One {
            provider,
            route,
            sample: sample::made(&loaded, &route.name),
            key: provider.algorithm().map(|name| keys[&name].clone()),
        };
        genuine += one.genuine(&gate);
        one.tampered(&gate);
    }
    // Nothing but the genuine ones reached the app.
    let seen = app.journal.requests();
    assert_eq!(seen.len(), genuine);
    assert!(genuine >= all.len());
}

/// One provider and its route.
struct One<'a> {
    provider: &'a Shipped,
    route: &'a Route,
    sample: Sample,
    key: Option<PrivateKey>,
}

impl One<'_> {
    /// Sends one delivery for each way in which the provider may sign; gives how many.
    fn genuine(&self, gate: &Gatepost) -> usize {
        let name = &*self.provider.name;
        let ways = ways(plan(self.route));
        for way in &ways {
            let delivery = self
                .signed(way, None)
                .unwrap_or_else(|why| panic!("{name}: {why}"));
            let answer = gate.send(&delivery);
            assert_eq!(
                answer.status,
                200,
                "{name}: {delivery:?}\n{}",
                gate.log.text()
            );
        }
        let received = gate.journal.requests();
        let last = received.last().unwrap();
        assert_eq!(last.header("x-gatepost-provider"), Some(name));
        // A token's claims are the provider's own, so a made sample has none.
        let event = &self.provider.keys["event"];
        for (key, header) in [
            ("type", "x-gatepost-event-type"),
            ("id", "x-gatepost-event-id"),
        ] {
            let claim = event[key].to_string().contains("claim");
            if !event[key].is_null() && !claim {
                assert!(last.header(header).is_some(), "{name}: no {header}");
            }
        }
        ways.len()
    }

    /// Sends every forgery that the scheme can be given.
    fn tampered(&self, gate: &Gatepost) {
        let provider = self.provider;
        for tamper in TAMPERS {
            let applies = match tamper {
                Tamper::Body => provider.proves("body"),
                Tamper::Time => provider.proves("time") || provider.expires(),
                Tamper::Key | Tamper::Missing | Tamper::Signature => {
                    let who = ["sender", "token", "what you choose"];
                    who.iter().any(|what| provider.proves(what))
                }
            };
            match self.signed(plan(self.route), Some(tamper)) {
                // A time that nobody looks at.
                Ok(_) if tamper == Tamper::Time && !applies => {}
                Ok(delivery) => {
                    let answer = gate.send(&delivery);
                    let refused = (400..500).contains(&answer.status);
                    assert!(refused, "{} {tamper:?}: {}", provider.name, answer.status);
                }
                Err(why) => assert!(!applies, "{} {tamper:?}: {why}", provider.name),
            }
        }
    }

    fn signed(&self, plan: &Plan, tamper: Option<Tamper>) -> Result<Delivery, sign::SignError> {
        let mut headers: HeaderMap = self
            .sample
            .headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        if self.sample.is_form {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(http::header::CONTENT_TYPE, form);
        }
        let mut delivery = sign::Delivery {
            method: "POST".into(),
            path: self.route.name.to_string(),
            query: self.sample.query.clone(),
            headers,
            body: self.sample.body.clone(),
        };
        sign(
            plan,
            &mut delivery,
            self.key.as_ref(),
            Moment::now(),
            tamper,
        )?;
        let target = match delivery.query {
            Some(query) => format!("{}?{query}", delivery.path),
            None => delivery.path,
        };
        let mut wire = Delivery::post(&target).body(delivery.body);
        for (name, value) in &delivery.headers {
            wire = wire.header(name.as_str(), value.as_bytes());
        }
        Ok(wire)
    }
}

/// The plan once for every step of which one must pass: signing takes the first.
fn ways(plan: &Plan) -> Vec<Plan> {
    let most = plan.groups.iter().map(Vec::len).max().unwrap_or(1).max(1);
    (0..most)
        .map(|which| {
            let mut way = plan.clone();
            for group in &mut way.groups {
                let at = which.min(group.len().saturating_sub(1));
                *group = vec![group[at].clone()];
            }
            way
        })
        .collect()
}
