//! The setup of an edge that is attacked: a certificate, a port for TLS and QUIC, and limits that count the attackers'
//! addresses.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustls::pki_types::CertificateDer;

use super::attacker::Target;
use crate::nats::TempDir;
use crate::ports::Port;

/// The files and the port of an edge that is attacked.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
    tls: Port,
    quic: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Stage {
    /// Makes a certificate and reserves a port.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn new() -> io::Result<Self> {
        let folder = TempDir::try_new("hostile").map_err(io::Error::other)?;
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let signed = signed.map_err(io::Error::other)?;
        fs::write(folder.path().join("tls.pem"), signed.cert.pem())?;
        fs::write(
            folder.path().join("tls.key"),
            signed.signing_key.serialize_pem(),
        )?;
        let tls = Port::try_take().map_err(io::Error::other)?;
        let certificate = signed.cert.der().clone();
        Ok(Self {
            folder,
            tls,
            // The port is free from now on, and the kernel gives it to no other socket soon.
            quic: UdpSocket::bind("127.0.0.1:0")?.local_addr()?,
            certificate,
        })
    }

    /// The edge's variables with this prefix, and further ones. Players come from 127.0.0.0/16, which is exempt.
    pub fn variables<'a>(
        &'a self,
        prefix: &'a str,
        further: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let own = [
            ("TLS_LISTEN", self.tls.address().to_string()),
            ("QUIC_LISTEN", self.quic.to_string()),
            ("TLS_CERTIFICATE_FILES", file("tls.pem")),
            ("TLS_KEY_FILES", file("tls.key")),
            ("COMPRESSION_ENABLED", "true".to_owned()),
            ("LIMITS_EXEMPT", "127.0.0.0/16".to_owned()),
            // Other scenarios of the benches have no such limits.
            ("LIMITS_MESSAGES_PER_S", "500".to_owned()),
            ("LIMITS_BYTES_PER_S", "2097152".to_owned()),
        ];
        let further = further
            .iter()
            .map(|&(name, value)| (name, value.to_owned()));
        let all = own.into_iter().chain(further);
        all.map(move |(name, value)| (format!("{prefix}{name}"), value))
    }

    /// The addresses of the edge, of which `plain` is the one without TLS.
    pub fn target(&self, plain: SocketAddr) -> Target {
        Target {
            plain,
            tls: self.tls.address(),
            quic: Some(self.quic),
            certificate: self.certificate.clone(),
        }
    }
}
