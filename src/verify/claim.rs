//! What a request claims: signatures, and the texts that were signed with them.

use std::borrow::Cow;

use subtle::ConstantTimeEq as _;

use super::format::{MAX_SIGNATURES, Parsed};
use super::place::form_field;
use super::signed::Signature;
use super::template::Cover;
use super::{Body, Head, Moment, Place};
use crate::rejection::Rejection;

/// More different messages than this in one request are an attack on our CPU: each costs a hash
/// of the body under every secret.
const MAX_CLAIMS: usize = 4;

/// Decoded signatures and the verbatim texts that were signed with them.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Any of these may match.
    pub signatures: Vec<Vec<u8>>,
    /// The timestamp, verbatim.
    pub timestamp: Option<String>,
    /// The message id.
    pub id: Option<String>,
    /// The key's name.
    pub key_id: Option<String>,
}

/// All claims of a request; any of them may hold.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) first: Claim,
    more: Vec<Claim>,
}

impl Claim {
    /// Whether any claimed signature is `expected`, in constant time and on the exact length.
    pub(super) fn matches(&self, expected: &[u8]) -> bool {
        self.signatures
            .iter()
            .any(|claimed| bool::from(claimed.ct_eq(expected)))
    }

    fn same_message(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp && self.id == other.id && self.key_id == other.key_id
    }
}

impl Claims {
    pub(super) fn all(&self) -> impl Iterator<Item = &Claim> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

/// Claims while they are gathered: those of the same message in one.
#[derive(Default)]
struct Gathered {
    first: Option<Claim>,
    more: Vec<Claim>,
}

impl Gathered {
    fn add(&mut self, claim: Claim) -> Result<(), Rejection> {
        let Some(first) = &mut self.first else {
            self.first = Some(claim);
            return Ok(());
        };
        let mut known = std::iter::once(first).chain(&mut self.more);
        match known.find(|known| known.same_message(&claim)) {
            Some(known) => known.signatures.extend(claim.signatures),
            None => self.more.push(claim),
        }
        let all = self.first.iter().chain(&self.more);
        let signatures: usize = all.map(|claim| claim.signatures.len()).sum();
        if signatures > MAX_SIGNATURES || self.more.len() >= MAX_CLAIMS {
            return Err(Rejection::SignatureMalformed);
        }
        Ok(())
    }
}

impl Signature {
    /// Whether a part of the claim stands in the body.
    pub(super) fn claims_need_body(&self) -> bool {
        let timestamp = self.freshness.as_ref().and_then(|f| f.place.as_ref());
        let others = [self.id.as_ref(), self.key_id.as_ref(), timestamp];
        self.places
            .iter()
            .chain(others.into_iter().flatten())
            .any(Place::needs_body)
    }

    /// Reads the claims and refuses those that are stale.
    pub(super) fn claims(
        &self,
        head: &Head<'_>,
        body: Option<&Body>,
        now: Moment,
    ) -> Result<Claims, Rejection> {
        let mut gathered = Gathered::default();
        let mut present = false;
        let mut add = |value: &[u8]| {
            present = true;
            let text = std::str::from_utf8(value).map_err(|_| Rejection::SignatureMalformed)?;
            self.format.parse_each(text, |parsed| {
                let claim = self.decode(parsed);
                let foreign = claim
                    .key_id
                    .as_deref()
                    .is_some_and(|id| self.format.has_groups() && !self.prover.knows(id, now));
                if claim.signatures.is_empty() || foreign {
                    return Ok(());
                }
                gathered.add(claim)
            })
        };
        for place in &self.places {
            if let (Place::Header(name), true) = (place, self.repeated) {
                head.headers.get_all(name).try_for_each(&mut add)?;
            } else if let Some(value) = self.read(place, head, body)? {
                add(&value)?;
            }
        }
        if !present {
            return Err(Rejection::SignatureMissing);
        }
        let Gathered {
            first: Some(mut first),
            mut more,
        } = gathered
        else {
            return Err(Rejection::SignatureMalformed);
        };
        if let Some(place) = &self.id {
            let id = self
                .read(place, head, body)?
                .ok_or(Rejection::SignatureMissing)?;
            let id = text(id).ok_or(Rejection::SignatureMalformed)?;
            set(&mut first, &mut more, |claim| claim.id = Some(id.clone()));
        }
        if let Some(place) = &self.key_id
            && let Some(id) = self.read(place, head, body)?
        {
            let id = text(id).ok_or(Rejection::SignatureMalformed)?;
            set(&mut first, &mut more, |claim| {
                claim.key_id = Some(id.clone());
            });
        }
        let Some(freshness) = &self.freshness else {
            return Ok(Claims { first, more });
        };
        if let Some(place) = &freshness.place {
            let time = self
                .read(place, head, body)?
                .ok_or(Rejection::TimestampMissing)?;
            let time = text(time).ok_or(Rejection::TimestampMalformed)?;
            set(&mut first, &mut more, |claim| {
                claim.timestamp = Some(time.clone());
            });
        }
        let fresh = |claim: &Claim| {
            let time = claim.timestamp.as_deref();
            freshness.require(time.ok_or(Rejection::TimestampMissing)?, now)
        };
        match fresh(&first) {
            Ok(()) => more.retain(|claim| fresh(claim).is_ok()),
            Err(rejection) => {
                more.retain(|claim| fresh(claim).is_ok());
                if more.is_empty() {
                    return Err(rejection);
                }
                first = more.swap_remove(0);
            }
        }
        Ok(Claims { first, more })
    }

    fn decode(&self, parsed: Parsed<'_>) -> Claim {
        Claim {
            signatures: parsed
                .signatures
                .iter()
                .filter_map(|text| self.encoding.decode(text.as_bytes()))
                .filter(|bytes| !bytes.is_empty())
                .collect(),
            timestamp: parsed.timestamp.map(Cow::into_owned),
            id: parsed.id.map(Cow::into_owned),
            key_id: parsed.key_id.map(Cow::into_owned),
        }
    }

    /// What stands in a place. A form that nothing declares is read where all of it is signed:
    /// then nothing else can stand in it.
    fn read<'a>(
        &self,
        place: &Place,
        head: &Head<'a>,
        body: Option<&'a Body>,
    ) -> Result<Option<Cow<'a, [u8]>>, Rejection> {
        if let (Place::Form(name), Some(body)) = (place, body)
            && !head.headers.contains_key(&http::header::CONTENT_TYPE)
            && self.message.cover() == Cover::Whole
        {
            let text = body.contiguous();
            let value = form_field(head, &text, name)?;
            return Ok(value.map(|value| Cow::Owned(value.into_owned())));
        }
        place.read(head, body)
    }
}

fn set(first: &mut Claim, more: &mut [Claim], change: impl Fn(&mut Claim)) {
    std::iter::once(first).chain(more).for_each(change);
}

fn text(bytes: Cow<'_, [u8]>) -> Option<String> {
    String::from_utf8(bytes.into_owned()).ok()
}
