//! The connections to Redis: one a core, opened when it is needed, opened again when it breaks.
//!
//! A connection's task lives on the runtime of the core that opened it, so no request waits for
//! another core.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisResult};

use super::{ANSWER, CONNECT, RedisSettings};

/// After a failure nobody is asked for so long: a store that is down costs a request nothing.
const REST: Duration = Duration::from_millis(200);

/// A cluster looks after its connections itself; only one that has been of no use for so long is
/// given up.
const USELESS: Duration = Duration::from_secs(5);

/// An open connection.
#[derive(Clone)]
pub(super) enum Line {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Line {
    pub(super) async fn ask<T: FromRedisValue>(&mut self, commands: &Pipeline) -> RedisResult<T> {
        match self {
            Self::Single(connection) => commands.query_async(connection).await,
            Self::Cluster(connection) => commands.query_async(connection).await,
        }
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// The connections of all cores.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<ThreadId, Arc<Link>>>);

impl Links {
    /// The connection of this core.
    pub(super) fn here(&self) -> Arc<Link> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .entry(std::thread::current().id())
            .or_default()
            .clone()
    }
}

/// One core's connection.
#[derive(Debug, Default)]
pub(super) struct Link(tokio::sync::Mutex<State>);

#[derive(Default)]
struct State {
    line: Option<Line>,
    /// Counts the connections there were.
    number: u64,
    /// Not asked before then.
    rests_until: Option<Instant>,
    /// When it last answered.
    answered: Option<Instant>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// The open connection and its number; opens one if there is none. Whoever comes while it is
    /// being opened waits for it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) async fn line(&self, settings: &RedisSettings) -> Result<(Line, u64), &'static str> {
        let mut state = self.0.lock().await;
        if let Some(line) = &state.line {
            return Ok((line.clone(), state.number));
        }
        if state
            .rests_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Err("it could not be reached a moment ago");
        }
        let opened = match tokio::time::timeout(CONNECT, settings.open()).await {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(error)) => Err(super::why(&error)),
            Err(_) => Err("no connection in time"),
        };
        match opened {
            Ok(line) => {
                state.line = Some(line.clone());
                state.number = state.number.wrapping_add(1);
                state.answered = Some(Instant::now());
                Ok((line, state.number))
            }
            Err(why) => {
                state.rests_until = Some(Instant::now() + REST);
                Err(why)
            }
        }
    }

    /// The connection of this number has answered.
    pub(super) async fn answered(&self) {
        self.0.lock().await.answered = Some(Instant::now());
    }

    /// The connection of this number is of no use any more. With `rest` the next is not opened at
    /// once.
    pub(super) async fn broken(&self, number: u64, rest: bool) {
        let mut state = self.0.lock().await;
        if state.number != number {
            return;
        }
        let useful = state
            .answered
            .is_some_and(|answered| answered.elapsed() < USELESS);
        if state.line.as_ref().is_some_and(Line::is_cluster) && useful {
            return;
        }
        state.line = None;
        if rest {
            state.rests_until = Some(Instant::now() + REST);
        }
    }
}

/// The client of one server or of a cluster: how connections are opened.
#[derive(Clone)]
pub(super) enum Opener {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Opener {
    pub(super) async fn open(&self) -> RedisResult<Line> {
        match self {
            Self::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT))
                    .set_response_timeout(Some(ANSWER))
                    // Waiting for room in the queue would only look like a slow store.
                    .set_pipeline_buffer_size(1024);
                client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await
                    .map(Line::Single)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Line::Cluster),
        }
    }
}
