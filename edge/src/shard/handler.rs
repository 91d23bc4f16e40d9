//! Who may come in: from a fresh connection to a client of the core.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use grandstand_common::auth::{Grants, Verifier};
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::ServerMessage;
use grandstand_common::error::ErrorKind;

use crate::codec;
use crate::conn::transport::{ConnKey, Transport};
use crate::server::handler::{Ending, Endpoint, Hello};
use crate::shard::Shard;
use crate::websocket::frame::MessageKind;

/// Who may come in.
#[derive(Debug, Clone)]
pub struct Admission {
    /// What verifies tokens; without it none is taken.
    pub verifier: Option<Arc<Verifier>>,
    /// Origins that browsers may connect from; all if empty.
    pub origins: Vec<String>,
    /// Believe `?user=`. For development only.
    pub trust_user: bool,
}

impl Admission {
    /// What the client may do, or why it may not come in.
    ///
    /// # Errors
    /// With the reason, for the program and for people.
    pub fn admit(&self, hello: &Hello, unix_ms: u64) -> Result<Grants, (ErrorKind, String)> {
        if let Some(origin) = &hello.origin
            && !self.origins.is_empty()
            && !self.origins.contains(origin)
        {
            let text = format!("this edge takes no connections from pages of {origin}");
            return Err((ErrorKind::Forbidden, text));
        }
        match (&hello.token, &hello.user) {
            (Some(token), _) => match &self.verifier {
                Some(verifier) => verifier
                    .verify(token, unix_ms)
                    .map_err(|error| (error.kind(), error.to_string())),
                None => Err((
                    ErrorKind::Unauthenticated,
                    "this edge takes no tokens".into(),
                )),
            },
            (None, Some(user)) if self.trust_user => match user.parse() {
                Ok(player) => Ok(Grants::trusted(player)),
                Err(error) => Err((ErrorKind::Unauthenticated, format!("the user {error}"))),
            },
            _ => {
                let text = "no token: give one as `Authorization: Bearer`, `?token=` or the \
                            subprotocol `bearer.<token>`";
                Err((ErrorKind::Unauthenticated, text.into()))
            }
        }
    }
}

/// The endpoint that leads to the core.
#[derive(Debug)]
pub struct Gate {
    shard: Rc<Shard>,
    admission: Admission,
}

impl Gate {
    /// Leads to this shard's core.
    pub fn new(shard: Rc<Shard>, admission: Admission) -> Self {
        Self { shard, admission }
    }
}

impl Endpoint for Gate {
    fn open(&self, conn: ConnKey, hello: Hello, _: Instant) {
        let form = hello.form;
        match self.admission.admit(&hello, unix_ms()) {
            Ok(grants) => self.shard.run(|core, conns, now| {
                core.handle_open(conn, form, grants, now, conns);
            }),
            Err((kind, message)) => self.shard.run(|core, conns, _| {
                core.count_refused(kind);
                let error = ServerMessage::Error {
                    id: None,
                    code: kind.code(),
                    message: &message,
                    room: None,
                    seq: None,
                };
                conns.send_control(conn, &codec::message(form.encoding, &error));
                conns.close(conn, kind);
            }),
        }
    }

    fn message(&self, conn: ConnKey, kind: MessageKind, payload: &[u8], _: Instant) {
        let binary = kind == MessageKind::Binary;
        self.shard.run(|core, conns, now| {
            core.handle_message(conn, binary, payload, now, conns);
        });
    }

    fn drained(&self, conn: ConnKey, _: Instant) {
        self.shard
            .run(|core, conns, _| core.handle_drained(conn, conns));
    }

    fn closed(&self, conn: ConnKey, _: Ending, _: Instant) {
        self.shard.run(|core, _, now| core.handle_closed(conn, now));
    }
}
