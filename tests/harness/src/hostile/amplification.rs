//! First packets of QUIC from an address that never answers, as if it were forged: whatever the edge sends would flood its
//! owner (RFC 9000 section 8.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{ClientConfig, Endpoint, EndpointConfig};
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::version;
use tokio::net::UdpSocket;

use super::attacker::Attacker;
use super::end::End;

/// The first packets that are sent at once.
const BATCH: usize = 4;

/// The time for the edge's answers, also those that it repeats.
const ANSWERS: Duration = Duration::from_millis(1500);

/// Sends first packets, and counts the bytes that come back.
pub(super) async fn amplify(attacker: &Attacker) -> End {
    let (Some(to), Some(config)) = (attacker.target.quic, config(attacker)) else {
        return End::Closed;
    };
    let Ok(socket) = UdpSocket::bind(SocketAddr::from((attacker.from, 0))).await else {
        return End::Closed;
    };
    let mut sent = 0;
    let mut received = 0;
    for _ in 0..BATCH {
        if let Some(packet) = first_packet(to, &config) {
            sent += socket.send_to(&packet, to).await.unwrap_or(0);
        }
    }
    let mut buffer = vec![0; 64 << 10];
    let counting = async {
        while let Ok((count, _)) = socket.recv_from(&mut buffer).await {
            received += count;
        }
    };
    tokio::time::timeout(ANSWERS, counting).await.ok();
    match received {
        0 => End::Closed,
        _ if received <= 3 * sent => End::AtMostThrice,
        _ => End::Amplified,
    }
}

fn config(attacker: &Attacker) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(attacker.target.certificate.clone()).ok()?;
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"grandstand/1".to_vec()];
    let config = QuicClientConfig::try_from(config).ok()?;
    Some(ClientConfig::new(Arc::new(config)))
}

/// The first packet of a new connection.
fn first_packet(to: SocketAddr, config: &ClientConfig) -> Option<Vec<u8>> {
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
    let now = tokio::time::Instant::now().into_std();
    let connected = endpoint.connect(now, config.clone(), to, "localhost");
    let (_, mut connection) = connected.ok()?;
    let mut packet = Vec::new();
    let transmit = connection.poll_transmit(now, 1, &mut packet)?;
    packet.truncate(transmit.size);
    Some(packet)
}
