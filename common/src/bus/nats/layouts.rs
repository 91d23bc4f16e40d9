//! The streams of a cluster's layouts, for `grandstand cluster repartition`: those of another layout get the settings of
//! the present ones.

use async_nats::jetstream::stream::Config;
use grandstand_types::layout::Layout;

use crate::bus::connect_error::ConnectError;
use crate::bus::error::BusError;
use crate::bus::nats::client::Nats;
use crate::bus::nats::connect;
use crate::bus::nats::connection::Connection;
use crate::bus::nats::names::BucketName;
use crate::bus::nats::streams::{SMALLEST_SHARE, is_out_of_space};
use crate::bus::types::Bucket;
use crate::subject;

impl Nats {
    /// Tries the permissions that the role of this process needs in another layout.
    ///
    /// # Errors
    /// If NATS denies some.
    pub async fn check_permissions(&self, to: &Layout) -> Result<(), ConnectError> {
        let (servers, options) = self.place();
        connect::check_layout(servers, options, to).await
    }

    /// Creates the missing streams of another layout, with the settings of those of this handle's layout. A stream of
    /// the log gets a lower limit of bytes if both do not fit; [`replace_layout`](Self::replace_layout) raises it.
    ///
    /// # Errors
    /// If the server does not answer or refuses.
    pub async fn create_layout(&self, to: &Layout) -> Result<(), BusError> {
        let connection = self.connection();
        let names = &connection.names;
        let first = names.log(self.layout().first_stream);
        let log = connection.stream_info(&first).await?.config;
        let layout = self.layout();
        let bucket = names.bucket(&layout, Bucket::Rooms(layout.partition(0)));
        let rooms = connection.stream_info(&bucket.stream()).await?.config;
        for stream in to.all_streams() {
            let partitions = to.all_partitions();
            let subjects = partitions.filter(|partition| to.stream_of(*partition) == stream);
            let config = Config {
                name: names.log(stream),
                subjects: subjects
                    .map(|partition| names.subject(subject::log_partition(partition)))
                    .collect(),
                ..log.clone()
            };
            create_missing(connection, config).await?;
        }
        for bucket in self.room_buckets(to) {
            let config = Config {
                name: bucket.stream(),
                subjects: vec![bucket.subject(">")],
                ..rooms.clone()
            };
            create_missing(connection, config).await?;
        }
        Ok(())
    }

    /// Creates the streams of the log of this handle's layout again if they hold entries.
    ///
    /// # Errors
    /// If the server does not answer or refuses.
    pub async fn empty_log(&self) -> Result<(), BusError> {
        for stream in self.layout().all_streams() {
            let connection = self.connection();
            let stream = self.log_name(stream);
            let found = connection.stream_info(&stream).await?;
            if found.state.last_seq > 0 {
                delete(connection, &stream).await?;
                connection.create_stream(&found.config).await?;
            }
        }
        Ok(())
    }

    /// Deletes the streams and buckets of rooms of this handle's layout.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn delete_layout(&self) -> Result<(), BusError> {
        for bucket in self.room_buckets(&self.layout()) {
            delete(self.connection(), &bucket.stream()).await?;
        }
        // The first stream of the log has the settings of the others, so it is the last.
        for stream in self.layout().all_streams().rev() {
            delete(self.connection(), &self.log_name(stream)).await?;
        }
        Ok(())
    }

    /// Deletes the streams of the layout before this handle's, and gives this one's log the limit that the former had.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn replace_layout(&self, previous: &Layout) -> Result<(), BusError> {
        let former = self.log_name(previous.first_stream);
        let limit = match self.connection().stream_info(&former).await {
            Ok(found) => Some(found.config.max_bytes),
            Err(BusError::NoStream) => None,
            Err(error) => return Err(error),
        };
        self.with_layout(*previous).delete_layout().await?;
        for stream in self.layout().all_streams() {
            let stream = self.log_name(stream);
            let found = self.connection().stream_info(&stream).await?;
            let Some(max_bytes) = limit.filter(|limit| *limit != found.config.max_bytes) else {
                continue;
            };
            let config = Config {
                max_bytes,
                ..found.config
            };
            if let Err(error) = self.connection().update_stream(&config).await {
                let stream = config.name;
                tracing::warn!(%error, stream, max_bytes, "cannot give the stream the limit that the former ones had");
            }
        }
        Ok(())
    }

    /// The names of the streams of this handle's layout, as the `nats` tool shows them.
    pub fn stream_names(&self) -> Vec<String> {
        let layout = self.layout();
        let log = layout.all_streams().map(|stream| self.log_name(stream));
        let buckets = self.room_buckets(&layout);
        log.chain(buckets.iter().map(BucketName::stream)).collect()
    }

    fn log_name(&self, stream: u16) -> String {
        self.connection().names.log(stream)
    }

    /// The names of the buckets of a layout's rooms.
    fn room_buckets(&self, layout: &Layout) -> Vec<BucketName> {
        let indexes = 0..usize::from(layout.streams);
        let buckets = indexes.map(|index| Bucket::Rooms(layout.partition(index)));
        let names = &self.connection().names;
        buckets.map(|bucket| names.bucket(layout, bucket)).collect()
    }
}

async fn create_missing(connection: &Connection, mut config: Config) -> Result<(), BusError> {
    match connection.stream_info(&config.name).await {
        Err(BusError::NoStream) => {}
        found => return found.map(drop),
    }
    loop {
        match connection.create_stream(&config).await {
            Err(error) if is_out_of_space(&error) && config.max_bytes > SMALLEST_SHARE => {
                config.max_bytes /= 2;
            }
            created => return created,
        }
    }
}

async fn delete(connection: &Connection, stream: &str) -> Result<(), BusError> {
    match connection.delete_stream(stream).await {
        Err(BusError::NoStream) => Ok(()),
        deleted => deleted,
    }
}
