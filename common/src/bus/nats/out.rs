//! The stream of what games emit, in NATS.

use async_nats::Message;
use async_nats::header::{self, HeaderMap};
use bytes::Bytes;
use grandstand_types::id::Topic;
use tokio::sync::{mpsc, oneshot};

use crate::bus::error::{BusError, PublishError};
use crate::bus::nats::client::Nats;
use crate::bus::nats::entries;
use crate::bus::nats::jetstream::Delivery;
use crate::bus::nats::reader::{self, ReadSpec};
use crate::bus::nats::replies::Waiter;
use crate::bus::options::IDLE_HEARTBEAT;
use crate::bus::receipt::{Answer, Receipt};
use crate::bus::types::{LogState, OutItem, OutPosition, Read};
use crate::subject::{self, pattern};

impl Nats {
    pub(crate) async fn emit(
        &self,
        topic: &Topic,
        id: &str,
        body: Bytes,
    ) -> Result<Receipt, PublishError> {
        let connection = self.connection();
        let subject = connection.names.subject(subject::out(topic));
        connection.check_permitted(&subject)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, id);
        let (sender, receiver) = oneshot::channel();
        connection
            .ask(subject, Some(headers), body, Waiter::Append(sender))
            .await?
            .keep();
        Ok(Receipt::new(Answer::Pending(receiver)))
    }

    pub(crate) async fn read_out(
        &self,
        topics: &[Topic],
        after: Option<OutPosition>,
    ) -> Result<(LogState, mpsc::Receiver<Read<OutItem>>), BusError> {
        let names = &self.connection().names;
        let stream = names.out();
        let info = self.connection().stream_info(&stream).await?;
        let state = info.log_state()?;
        let filters = if topics.is_empty() {
            vec![names.subject(pattern::OUT.to_owned())]
        } else {
            let subjects = topics.iter().map(subject::out);
            subjects.map(|subject| names.subject(subject)).collect()
        };
        let spec = ReadSpec {
            stream,
            filters,
            prefix: names.subject(String::new()).len(),
            from: OutPosition::resume(after, &state).0,
            every_entry: true,
            heartbeat: IDLE_HEARTBEAT,
        };
        let receiver = reader::open_in(self.shared(), spec, out_item, &info).await?;
        Ok((state, receiver))
    }
}

/// An item, unless another program than a worker has published it.
fn out_item(spec: &ReadSpec, delivery: Delivery, message: &Message) -> Option<OutItem> {
    let headers = message.headers.as_ref()?;
    Some(OutItem {
        seq: delivery.stream_seq,
        time_ms: delivery.time_ms,
        topic: subject::parse_out(message.subject.get(spec.prefix..)?)?,
        id: headers.get(header::NATS_MESSAGE_ID)?.as_str().to_owned(),
        body: entries::detached(&message.payload),
    })
}
