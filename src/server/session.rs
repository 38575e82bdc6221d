//! What serving HTTP on a connection asks of gatepost.

use std::sync::Arc;

use http::Response;

use super::{LINGER, Phase, Shared};
use crate::budget::{Budget, Reserved};
use crate::proxy::{Arrival, Arriving, Gate, Peer, ResponseBody, Slot, respond, wanted};
use crate::received::Received;
use crate::upstream::Pool;

/// A connection whose requests can be answered.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Pool,
    pub(super) peer: Peer,
}

impl Session {
    /// Answers a request by the newest configuration; one that has begun keeps its own.
    /// `deliver` makes of the answer what the connection wants.
    pub(super) fn respond<T: 'static, D>(
        &self,
        received: Received,
        arriving: Arriving,
        deliver: D,
    ) -> impl Future<Output = T> + Send + use<T, D>
    where
        D: FnOnce(Response<ResponseBody>) -> T + Send + 'static,
    {
        let draining = self.shared.draining();
        let peer = Peer {
            draining,
            ..self.peer.clone()
        };
        respond(
            self.shared.gate.load_full(),
            self.pool.clone(),
            peer,
            received,
            arriving,
            deliver,
        )
    }

    /// The configuration in force.
    pub(super) fn gate(&self) -> Arc<Gate> {
        self.shared.gate.load_full()
    }

    /// Leave to read much at once, if it is there.
    pub(super) fn large_reader(&self) -> Option<Reserved> {
        self.shared.large_readers.reserve(1)
    }

    /// Leave for streams of an HTTP/2 connection, of so many that all have together.
    pub(super) fn streams(&self, together: usize, part: usize, most: usize) -> Reserved {
        self.shared.streams.with_limit(together).share(part, most)
    }

    /// What may be gathered of requests before they are looked at.
    pub(super) fn gathered(&self) -> &Budget {
        &self.shared.gathered
    }

    /// The place of a request that came at `now`, if a body so long is worth reading before the
    /// request is looked at.
    pub(super) fn wanted(
        &self,
        gate: &Gate,
        received: &Received,
        length: usize,
        now: Arrival,
    ) -> Option<Slot> {
        wanted(gate, &self.peer, received, length, now)
    }

    /// Whether the process was told to stop.
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining()
    }

    /// Ends a moment after the process was told to stop: what is on its way till then is served.
    pub(super) async fn draining(&self) {
        let mut phase = self.shared.phase.subscribe();
        // The sender lives as long as the process.
        drop(phase.wait_for(|phase| *phase == Phase::Draining).await);
        tokio::time::sleep(LINGER).await;
    }
}
