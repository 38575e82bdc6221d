//! An upgrade that a pass-through route takes to the app.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method, Response};

use super::answer::ResponseBody;
use crate::received::Received;
use crate::upstream::{AnswerBody, Head};

/// An upgrade that the client asks for.
pub(super) struct Upgrade {
    client: hyper::upgrade::OnUpgrade,
}

impl Upgrade {
    /// `WebSocket` only. In any other protocol, h2c above all, the client could go on to send
    /// requests to the routes that verify, past us.
    pub(super) fn take(received: &mut Received) -> Option<Self> {
        let wanted = received.headers.lines().get(&UPGRADE)?;
        if !is_websocket(wanted) || received.method != Method::GET {
            return None;
        }
        let client = received.upgrade.take()?;
        Some(Self { client })
    }

    /// Asks the app for it.
    pub(super) fn announce(head: &mut Head) {
        head.line(&CONNECTION, &HeaderValue::from_static("upgrade"));
        head.line(&UPGRADE, &HeaderValue::from_static("websocket"));
    }

    /// Answers 101 and joins both ends until one of them closes, if the app has agreed.
    pub(super) fn join(self, answer: Response<AnswerBody>) -> Option<Response<ResponseBody>> {
        let agreed = answer.headers().get(UPGRADE);
        let agreed = agreed.is_some_and(|protocol| is_websocket(protocol.as_bytes()));
        let (head, body) = answer.into_parts();
        if !agreed {
            return None;
        }
        let mut app = body.into_upgraded()?;
        let client = self.client;
        drop(tokio::spawn(async move {
            if let Ok(client) = client.await {
                let mut client = hyper_util::rt::TokioIo::new(client);
                // Either end may close first; there is nothing left to answer then.
                drop(tokio::io::copy_bidirectional(&mut client, &mut app).await);
            }
        }));
        let nothing = ResponseBody::whole(bytes::Bytes::new());
        Some(Response::from_parts(head, nothing))
    }
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"websocket")
}
