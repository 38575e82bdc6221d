//! Reading what may be a request.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::READ_SIZE;
use crate::budget::{Budget, Reserved};

/// The longest request that is gathered before anything is known of it.
pub(super) const LARGEST: usize = 128 * 1024;
/// What may be gathered at once, of all together, beyond what is read at once: the budget of bodies
/// does not count it yet.
pub(in crate::server) const GATHERED: usize = 32 * LARGEST;
/// Room for a head, beside a body.
const HEAD: usize = 2048;

/// Whether a request of this length may be gathered before anything is known of it: then so much of
/// the budget is `held`. One that fits into what is read at once needs no leave.
pub(super) fn leave(budget: &Budget, held: &mut Option<Reserved>, length: usize) -> bool {
    match (length, held) {
        (0..=READ_SIZE, _) => true,
        (..=LARGEST, Some(held)) => held.grow_to(length),
        (..=LARGEST, held) => {
            *held = budget.reserve(length);
            held.is_some()
        }
        _ => false,
    }
}

/// From here on the budget of bodies counts so much of what is held. For what a busy connection may
/// have beside its body no leave is needed; for more it is kept.
pub(super) fn counted(held: &mut Option<Reserved>, body: usize) {
    if let Some(share) = held {
        share.shrink_to(share.amount().saturating_sub(body));
        held.take_if(|beside| beside.amount() <= READ_SIZE);
    }
}

/// Where the beginning of each request of a connection is read to.
#[derive(Debug)]
pub(super) struct Room {
    usual: BytesMut,
    /// As much as the last request took, and a little more.
    like_last: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            usual: BytesMut::new(),
            like_last: READ_SIZE,
        }
    }
}

impl Room {
    /// The next request will mostly be like this one, with a body so long.
    pub(super) fn expect(&mut self, body: usize) {
        self.like_last = body.saturating_add(body / 8 + HEAD);
    }

    /// What has arrived; nothing at the end. With the leave to hold it, where that is much.
    pub(super) async fn read<S: AsyncRead + Unpin>(
        &mut self,
        budget: &Budget,
        io: &mut S,
    ) -> io::Result<(Bytes, Option<Reserved>)> {
        let (wanted, usual) = (self.like_last, &mut self.usual);
        let mut woken = false;
        poll_fn(|context| {
            // Right after an answer there is mostly nothing, and who waits needs no room.
            let mut held = None;
            let much = std::mem::replace(&mut woken, true) && wanted > READ_SIZE;
            if much && leave(budget, &mut held, wanted) {
                let mut room = BytesMut::with_capacity(wanted);
                ready!(pin!(io.read_buf(&mut room)).poll(context))?;
                return Poll::Ready(Ok((room.freeze(), held)));
            }
            usual.reserve(READ_SIZE);
            ready!(pin!(io.read_buf(usual)).poll(context))?;
            Poll::Ready(Ok((usual.split().freeze(), None)))
        })
        .await
    }
}

/// Reads on until there are so many bytes in all, or as many as come within the time: without one,
/// those that are here. There may be more, where there is room for it.
pub(super) async fn gather<S: AsyncRead + Unpin>(
    io: &mut S,
    read: &mut Bytes,
    wanted: usize,
    time: Option<Duration>,
) -> io::Result<()> {
    let mut all = match std::mem::take(read).try_into_mut() {
        Ok(all) if all.capacity() >= wanted => all,
        Ok(begun) => copied(&begun, wanted),
        Err(begun) => copied(&begun, wanted),
    };
    let mut reading = pin!(async {
        while all.len() < wanted && io.read_buf(&mut all).await? > 0 {}
        Ok(())
    });
    let ended = match time {
        Some(time) => tokio::time::timeout(time, reading).await.ok(),
        None => {
            poll_fn(|context| {
                Poll::Ready(match reading.as_mut().poll(context) {
                    Poll::Ready(ended) => Some(ended),
                    Poll::Pending => None,
                })
            })
            .await
        }
    };
    *read = all.freeze();
    ended.unwrap_or(Ok(()))
}

fn copied(begun: &[u8], wanted: usize) -> BytesMut {
    let mut all = BytesMut::with_capacity(wanted);
    all.extend_from_slice(begun);
    all
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What is read at once of a request so long, by a connection that had these before; and what is
    /// held of `budget`.
    fn read_at_once(budget: &Budget, before: &[usize], length: usize) -> (usize, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let (mut io, mut caller) = tokio::io::duplex(1 << 20);
            let mut room = Room::default();
            for body in before {
                room.expect(*body);
            }
            let sending = async {
                // First somebody waits for it.
                tokio::task::yield_now().await;
                caller.write_all(&vec![b'a'; length]).await
            };
            let (read, sent) = tokio::join!(room.read(budget, &mut io), sending);
            sent.unwrap();
            let (read, held) = read.unwrap();
            assert!(read.iter().all(|byte| *byte == b'a'));
            let used = budget.used();
            drop(held);
            (read.len(), used)
        })
    }

    #[test]
    fn a_request_like_the_last_one_is_read_at_once() {
        let budget = Budget::new(GATHERED);
        let usual = (READ_SIZE, 0);
        for (before, length, expected) in [
            (&[][..], 66_000, usual),
            (&[1000], 66_000, usual),
            (&[64_000], 66_000, (66_000, 64_000 + 8000 + HEAD)),
            (&[64_000], 100, (100, 64_000 + 8000 + HEAD)),
            (&[1000, 64_000], 66_000, (66_000, 64_000 + 8000 + HEAD)),
            (&[64_000, 1000], 66_000, usual),
            (&[1 << 20], 66_000, usual),
            (
                &[64_000],
                90_000,
                (64_000 + 8000 + HEAD, 64_000 + 8000 + HEAD),
            ),
        ] {
            assert_eq!(
                read_at_once(&budget, before, length),
                expected,
                "{before:?}"
            );
            assert_eq!(budget.used(), 0);
        }
        // Without leave it comes in pieces.
        let budget = Budget::new(70_000);
        assert_eq!(read_at_once(&budget, &[64_000], 66_000), usual);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_no_budget_counts_is_held() {
        let budget = Budget::new(GATHERED);
        let body = 100_000;
        let like = body + body / 8 + HEAD;
        for (all, body, left) in [
            (like, body, 0),
            (body + 500, body, 0),
            (like, 2 * body, 0),
            (like, body - 1000, 0),
            (like, body / 2, like - body / 2),
            (like, 0, like),
            (LARGEST, LARGEST - READ_SIZE, 0),
            (LARGEST, LARGEST - READ_SIZE - 1, READ_SIZE + 1),
        ] {
            let mut held = budget.reserve(all);
            counted(&mut held, body);
            assert_eq!(
                held.as_ref().map_or(0, Reserved::amount),
                left,
                "{all}, {body}"
            );
            assert_eq!(budget.used(), left);
        }
        counted(&mut None, 1);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_is_gathered_stays_where_there_is_room_for_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            for (room, moves) in [(100_000, false), (1000, true)] {
                let mut begun = BytesMut::with_capacity(room);
                begun.extend_from_slice(&[b'a'; 1000]);
                let mut read = begun.freeze();
                let place = read.as_ptr();
                let rest = vec![b'b'; 50_000];
                gather(&mut &*rest, &mut read, 51_000, None).await.unwrap();
                assert_eq!(read, [&[b'a'; 1000][..], &rest].concat());
                assert_eq!(read.as_ptr() != place, moves);
            }
        });
    }
}
