//! Connections to PostgreSQL.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{describe, store_error};
use super::migrate::migrate;
use super::read::PostgresReader;
use super::write::PostgresStore;
use crate::archive::batch::StoreError;
use crate::archive::schema::Migration;

/// The most time for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time after which a server that does not answer is taken for dead.
const SILENCE: Duration = Duration::from_secs(10);

/// The schema of all tables. The server notices soon that this process is gone, and gives its locks to another one.
const SETTINGS: &str = "SET search_path TO grandstand; \
                        SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
                        SET tcp_user_timeout = '20s'; SET idle_in_transaction_session_timeout = '2min'";

/// The most time for the whole start of a connection.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a database.
#[derive(Clone)]
pub(in crate::archive) struct PostgresDatabase {
    config: Arc<Config>,
    /// A PEM file with authorities to trust instead of the system's.
    ca_file: Option<PathBuf>,
    migrations: &'static [Migration],
    supervisor: Supervisor,
}

impl PostgresDatabase {
    /// Reads an address such as `postgres://user:password@host/database`.
    ///
    /// # Errors
    /// If it is no address. The text does not show the password.
    pub(in crate::archive) fn new(
        url: &str,
        ca_file: Option<PathBuf>,
        migrations: &'static [Migration],
        supervisor: &Supervisor,
    ) -> Result<Self, StoreError> {
        let mut config: Config = url.parse().map_err(|error| {
            let why = describe(&error);
            StoreError::Config(format!(
                "the address of PostgreSQL is wrong: {why}; use postgres://USER:PASSWORD@HOST/DATABASE"
            ))
        })?;
        // A connection over a network that is encrypted only if the server likes is not safe.
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if is_local(&config) {
                SslMode::Disable
            } else {
                SslMode::Require
            });
        }
        config
            .application_name("grandstand archive")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(SILENCE)
            .tcp_user_timeout(SILENCE);
        Ok(Self {
            config: Arc::new(config),
            ca_file,
            migrations,
            supervisor: supervisor.clone(),
        })
    }

    /// A connection that stores results. Brings the tables up to date.
    pub(in crate::archive) async fn store(&self) -> Result<PostgresStore, StoreError> {
        let mut client = self.connect().await?;
        migrate(&mut client, self.migrations).await?;
        client.batch_execute(SETTINGS).await.map_err(store_error)?;
        PostgresStore::new(client, self.migrations.len()).await
    }

    /// A connection that reads.
    pub(in crate::archive) async fn reader(&self) -> Result<PostgresReader, StoreError> {
        let client = self.connect().await?;
        let set = format!("{SETTINGS}; SET statement_timeout = '5s'");
        client.batch_execute(&set).await.map_err(store_error)?;
        Ok(PostgresReader::new(client))
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = timeout(START_TIMEOUT, self.config.connect(self.tls()?));
        let connected = connecting.await.map_err(|_| {
            let seconds = START_TIMEOUT.as_secs();
            StoreError::Unavailable(format!("PostgreSQL has not answered within {seconds} s"))
        })?;
        let (client, connection) =
            connected.map_err(|error| StoreError::Unavailable(describe(&error)))?;
        self.supervisor.run("postgres", async move {
            // The client's statements fail with the same error.
            if let Err(error) = connection.await {
                tracing::debug!(
                    error = describe(&error),
                    "a connection to PostgreSQL has ended"
                );
            }
        });
        Ok(client)
    }

    /// The settings of TLS. Files are read for each connection, so that renewed ones count.
    fn tls(&self) -> Result<MakeRustlsConnect, StoreError> {
        let mut roots = RootCertStore::empty();
        let certificates = match &self.ca_file {
            _ if self.config.get_ssl_mode() == SslMode::Disable => Vec::new(),
            None => rustls_native_certs::load_native_certs().certs,
            Some(path) => {
                let wrong = |why: String| {
                    let path = path.display();
                    StoreError::Config(format!(
                        "{path} cannot be used: {why}; it must be a PEM file with `BEGIN CERTIFICATE`"
                    ))
                };
                let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
                let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
                all.map_err(|e| wrong(e.to_string()))?
            }
        };
        roots.add_parsable_certificates(certificates);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| StoreError::Config(format!("TLS cannot be set up: {e}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

/// Whether all servers are on this machine.
fn is_local(config: &Config) -> bool {
    config
        .get_hostaddrs()
        .iter()
        .all(|address| address.is_loopback())
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                let name = name.trim_matches(['[', ']']);
                let address = name.parse::<std::net::IpAddr>();
                name == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
            Host::Unix(_) => true,
        })
}

impl std::fmt::Debug for PostgresDatabase {
    /// Leaves out the login.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresDatabase")
            .field("hosts", &self.config.get_hosts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_over_a_network_requires_tls() {
        let mode = |url: &str| {
            let database = PostgresDatabase::new(url, None, &[], &Supervisor::default());
            database.unwrap().config.get_ssl_mode()
        };
        for (url, expected) in [
            ("postgres://localhost/a", SslMode::Disable),
            ("postgres://u:p@127.0.0.1:5433/a", SslMode::Disable),
            ("postgres://%2Frun%2Fpostgresql/a", SslMode::Disable),
            ("postgres://db.internal/a", SslMode::Require),
            ("postgres://db.internal/a?sslmode=disable", SslMode::Disable),
            ("postgres://localhost,db.internal/a", SslMode::Require),
            ("postgres://localhost/a?sslmode=require", SslMode::Require),
        ] {
            assert_eq!(mode(url), expected, "{url}");
        }
    }

    #[test]
    fn a_wrong_address_is_an_error_without_the_password() {
        let url = "postgres://u:secret@host/a?sslmode=maybe";
        let wrong = PostgresDatabase::new(url, None, &[], &Supervisor::default());
        let text = wrong.unwrap_err().to_string();
        assert!(
            text.contains("sslmode") && !text.contains("secret"),
            "{text}"
        );
    }
}
