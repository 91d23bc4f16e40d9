//! Fetches a small document over HTTPS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::http::uri::InvalidUri;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::authorities as signers;

/// The most time of a fetch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of a document.
const MAX_BYTES: usize = 1 << 20;

/// The address cannot be fetched from.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The text is not a URL.
    #[error("{0:?} is not an address: {1}")]
    Url(String, url::ParseError),
    /// The scheme is not https.
    #[error(
        "{0:?} must begin with https://, because keys that came over an open connection could be anybody's"
    )]
    NotHttps(String),
    /// The URL has a login, which logs would show.
    #[error("the address must have no user and no password")]
    Login,
    /// The path cannot be asked for.
    #[error("the path of {0:?} cannot be requested: {1}")]
    Path(String, InvalidUri),
    /// The host is not a name.
    #[error("the host cannot be a server's name: {0}")]
    Name(#[from] InvalidDnsNameError),
    /// The file of trusted certificates cannot be used.
    #[error("{path} cannot be used: {why}; it must be a PEM file with `BEGIN CERTIFICATE`", path = .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The reason why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The server cannot be reached, or its certificate is not trusted.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The answer took too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The server did not keep to HTTP.
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    /// The answer is not a document.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The document is elsewhere.
    #[error("the answer is {0}, which leads to {1:?}; configure that address if it is right")]
    Moved(StatusCode, String),
    /// The document is too long, or ended early.
    #[error("the answer cannot be read, or has more than {MAX_BYTES} bytes: {0}")]
    Body(String),
}

/// Fetches from one address. Each fetch has a connection of its own.
#[derive(Clone)]
pub(super) struct Fetch {
    url: Url,
    /// The path and the query.
    path: Uri,
    /// The host without the brackets of IPv6.
    host: String,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Fetch {
    /// Fetches from `url`. `authorities` is a PEM file with the certificates to trust instead of the system's.
    ///
    /// # Errors
    /// If the address or the file cannot be used.
    pub(super) fn new(url: &str, authorities: Option<&Path>) -> Result<Self, AddressError> {
        let parsed = Url::parse(url).map_err(|why| AddressError::Url(url.to_owned(), why))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(AddressError::Login);
        }
        let (true, Some(host)) = (parsed.scheme() == "https", parsed.host_str()) else {
            return Err(AddressError::NotHttps(url.to_owned()));
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone())?;
        let path = parsed[Position::BeforePath..Position::AfterQuery].parse();
        let path = path.map_err(|why| AddressError::Path(url.to_owned(), why))?;
        let roots = match authorities {
            Some(path) => signers::of_file(path).map_err(|why| AddressError::Authorities {
                path: path.to_owned(),
                why,
            })?,
            None => signers::of_system(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            url: parsed,
            path,
            host,
            name,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// The address, without a query, which may be secret.
    pub(super) fn url(&self) -> &str {
        &self.url[..Position::AfterPath]
    }

    /// Fetches the document.
    ///
    /// # Errors
    /// After at most 10 s.
    pub(super) async fn get(&self) -> Result<Bytes, FetchError> {
        tokio::time::timeout(TIMEOUT, self.run())
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    async fn run(&self) -> Result<Bytes, FetchError> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let stream = TcpStream::connect((self.host.as_str(), port)).await;
        let stream = stream.map_err(FetchError::Connect)?;
        let stream = self.connector.connect(self.name.clone(), stream).await;
        let stream = TokioIo::new(stream.map_err(FetchError::Connect)?);
        let (mut sender, connection) = http1::handshake(stream).await?;
        let exchange = async {
            let response = sender.send_request(self.request()).await?;
            read(response).await
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            document = &mut exchange => document,
            // The server may close the connection once it has sent everything.
            ended = connection => {
                ended?;
                exchange.await
            }
        }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        let host = &self.url[Position::BeforeHost..Position::AfterPort];
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(host) {
            headers.insert(HOST, host);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("grandstand"));
        request
    }
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fetch").field(&self.url()).finish()
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Bytes, FetchError> {
    let status = response.status();
    if let (true, Some(to)) = (status.is_redirection(), response.headers().get(LOCATION)) {
        let to = String::from_utf8_lossy(to.as_bytes()).into_owned();
        return Err(FetchError::Moved(status, to));
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status(status));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES)
        .collect()
        .await;
    let body = body.map_err(|why| FetchError::Body(why.to_string()))?;
    Ok(body.to_bytes())
}
