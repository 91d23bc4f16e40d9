//! Listens to what the client library reports about a connection beside messages.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::{Event, Server};
// Taken by the client library while it reconnects.
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bus::nats::dial;
use crate::bus::nats_error::{NatsError, NatsErrorKind};
use crate::bus::nats_errors::NatsErrors;
use crate::bus::stats::BusStats;

/// Passes on what NATS reports about a connection.
#[derive(Clone)]
pub(super) struct Listener {
    errors: NatsErrors,
    stats: Arc<BusStats>,
}

impl Listener {
    pub(super) fn new(errors: &NatsErrors, stats: &Arc<BusStats>) -> Self {
        Self {
            errors: errors.clone(),
            stats: stats.clone(),
        }
    }

    pub(super) fn hear(&self, event: &Event) {
        let (kind, words) = match event {
            Event::ServerError(error) => return self.note(&NatsError::parse(&dial::words(error))),
            Event::SlowConsumer(_) => {
                BusStats::count(&self.stats.slow_consumers);
                (NatsErrorKind::SlowConsumer, event.to_string())
            }
            Event::LameDuckMode => (NatsErrorKind::LameDuck, event.to_string()),
            _ => return,
        };
        self.note(&NatsError {
            kind,
            subject: None,
            words,
        });
    }

    fn note(&self, error: &NatsError) {
        BusStats::count(&self.stats.errors[error.kind as usize]);
        self.errors.note(error, Instant::now().into_std());
    }
}

/// Passes on why servers refuse to be connected to, which no event tells. The number of failed attempts of each server
/// shows which refusals are new.
pub(super) struct RefusedServers {
    listener: Listener,
    failed_attempts: Mutex<HashMap<String, usize>>,
}

impl RefusedServers {
    pub(super) fn new(listener: &Listener) -> Self {
        Self {
            listener: listener.clone(),
            failed_attempts: Mutex::default(),
        }
    }

    pub(super) fn hear(&self, servers: &[Server]) {
        let mut known = self.failed_attempts.lock();
        for server in servers {
            let failed = known
                .entry(server.addr.as_url_str().to_owned())
                .or_default();
            let is_new = std::mem::replace(failed, server.failed_attempts) < server.failed_attempts;
            let error = server.last_error.as_deref().filter(|_| is_new);
            if let Some(words) = error.and_then(dial::words_in) {
                self.listener.note(&NatsError::parse(&words));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use async_nats::ConnectOptions;
    use futures_util::StreamExt;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::LogLines;

    /// Speaks as a NATS server that sends `messages` messages to each subscription at once.
    async fn serve(listener: TcpListener, messages: usize) {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let info = r#"{"server_id":"S","server_name":"S","version":"2.12.0","proto":1,"headers":true,"max_payload":1048576}"#;
        let info = format!("INFO {info}\r\n");
        write.write_all(info.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.split(' ').collect::<Vec<_>>()[..] {
                ["PING"] => "PONG\r\n".to_owned(),
                ["SUB", subject, id] => format!("MSG {subject} {id} 1\r\nx\r\n").repeat(messages),
                _ => continue,
            };
            write.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn d31_a_full_subscription_is_said_once_and_counted() {
        let lines = LogLines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        // The test has one thread, which runs the client library too.
        let _guard = tracing::subscriber::set_default(subscriber);
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let (errors, stats) = (NatsErrors::default(), Arc::<BusStats>::default());
        let heard = Listener::new(&errors, &stats);
        let counted = || stats.slow_consumers.load(Ordering::Relaxed);
        let subscribed = async {
            let client = ConnectOptions::new()
                .subscription_capacity(1)
                .event_callback(move |event| {
                    heard.hear(&event);
                    async {}
                })
                .connect(address.to_string())
                .await
                .unwrap();
            let mut full = client.subscribe("full").await.unwrap();
            let late = Instant::now() + Duration::from_secs(60);
            while counted() < 4 {
                assert!(Instant::now() < late, "{} were counted", counted());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(full.next().await.unwrap().payload, "x");
        };
        tokio::select! {
            () = serve(server, 5) => panic!("the connection is lost"),
            () = subscribed => {}
        }
        let of_kind = &stats.errors[NatsErrorKind::SlowConsumer as usize];
        assert_eq!((counted(), of_kind.load(Ordering::Relaxed)), (4, 4));
        // It does not last, so the process stays ready.
        assert_eq!(errors.current(), None);
        let text = lines.text();
        let said = text.matches("a subscription is full, so messages are lost");
        assert_eq!(said.count(), 1, "{text}");
    }
}
