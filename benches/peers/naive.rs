//! The straightforward implementation: tokio-tungstenite, one task per connection, and a tokio broadcast channel. Every
//! message on `/publish` goes to all connections on `/`. `grandstand bench peers` compares with it.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Messages that a connection may lag behind before it loses some.
const BEHIND: usize = 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    grandstand_common::process::sys::raise_open_files();
    let port = std::env::var("PORT").map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let (sender, _) = broadcast::channel(BEHIND);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, sender.clone()));
    }
}

async fn serve(stream: TcpStream, sender: Sender<Message>) -> Result<(), Error> {
    let mut publishes = false;
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        publishes = request.uri().path() == "/publish";
        Ok(response)
    };
    stream.set_nodelay(true)?;
    let mut socket = accept_hdr_async(stream, look).await?;
    if publishes {
        while let Some(message) = socket.next().await.transpose()? {
            if message.is_text() {
                // Fails only if there is no receiver.
                sender.send(message).ok();
            }
        }
        return Ok(());
    }
    let mut receiver = sender.subscribe();
    loop {
        tokio::select! {
            message = receiver.recv() => match message {
                Ok(message) => socket.send(message).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            message = socket.next() => match message {
                Some(message) => drop(message?),
                None => return Ok(()),
            },
        }
    }
}
