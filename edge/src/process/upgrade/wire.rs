//! Sockets on their way to another process: a line with the name of each, and its descriptor beside it (SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::sockets::Sockets;

/// The first line, with the version of what follows.
const BEGIN: &str = "grandstand sockets 1\n";

/// The last line.
const END: &str = "\nend\n";

/// The line with which the receiver says that it uses the sockets.
pub(super) const READY: &[u8] = b"ready\n";

/// The line with which the sender answers that it reads no packets of QUIC any more. A sender of an earlier version answers
/// nothing.
pub(super) const RELEASED: &[u8] = b"released\n";

/// The most bytes of all lines: 1024 shards have four sockets each, and as many again for each earlier process that drains.
const MAX_TEXT: usize = 256 << 10;

/// The most descriptors taken at once; the kernel delivers those of one message.
const FILES: usize = 16;

/// Sends the sockets.
///
/// # Errors
/// If the receiver is gone.
pub(super) async fn send(stream: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    send_line(stream, BEGIN, None).await?;
    for socket in sockets.iter() {
        let line = format!("{}\n", socket.name);
        send_line(stream, &line, Some(socket.file.as_fd())).await?;
    }
    send_line(stream, END.trim_start(), None).await
}

async fn send_line(
    stream: &UnixStream,
    line: &str,
    file: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let sent = stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(file.as_slice()));
            let line = [IoSlice::new(line.as_bytes())];
            Ok(sendmsg(stream, &line, &mut control, SendFlags::NOSIGNAL)?)
        })
        .await?;
    if sent == line.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Receives sockets.
///
/// # Errors
/// If the sender ends before it has sent all, or sends something else.
pub(super) async fn receive(stream: &UnixStream) -> io::Result<Sockets> {
    let mut text = Vec::new();
    let mut files = Vec::new();
    while !text.ends_with(END.as_bytes()) {
        let read = stream
            .async_io(Interest::READABLE, || {
                receive_some(stream, &mut text, &mut files)
            })
            .await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if text.len() > MAX_TEXT {
            return Err(invalid("too many sockets"));
        }
    }
    let text = String::from_utf8(text).map_err(|_| invalid("a name is not UTF-8"))?;
    let names = text.strip_prefix(BEGIN.trim_end());
    let names = names.and_then(|names| names.strip_suffix(END));
    let names = names.ok_or_else(|| invalid("another version of this program"))?;
    let names: Vec<_> = names.lines().filter(|name| !name.is_empty()).collect();
    if names.len() != files.len() {
        return Err(invalid("not each socket has a name"));
    }
    let mut sockets = Sockets::default();
    for (name, file) in names.into_iter().zip(files) {
        sockets.push(name, file);
    }
    Ok(sockets)
}

/// Appends what the next message has, and returns how many bytes.
fn receive_some(
    stream: &UnixStream,
    text: &mut Vec<u8>,
    files: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            files.extend(more);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(invalid(
            "this process has too few descriptors; raise the limit of open files",
        ));
    }
    text.extend_from_slice(&bytes[..received.bytes]);
    Ok(received.bytes)
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn each_socket_arrives_under_its_name() {
        let (old, new) = UnixStream::pair().unwrap();
        let listeners: Vec<_> = (0..300)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let mut sockets = Sockets::default();
        for (index, listener) in listeners.iter().enumerate() {
            sockets
                .push_copy(["edge.listen", "tls.listen"][index % 2], listener)
                .unwrap();
        }
        let (sent, received) = tokio::join!(send(&old, &sockets), receive(&new));
        sent.unwrap();
        let mut received = received.unwrap();
        for (offset, name) in ["edge.listen", "tls.listen"].into_iter().enumerate() {
            let got = received.take(name);
            assert_eq!(got.len(), 150);
            for (got, sent) in got
                .into_iter()
                .zip(listeners.iter().skip(offset).step_by(2))
            {
                let got = std::net::TcpListener::from(got.file);
                assert_eq!(got.local_addr().unwrap(), sent.local_addr().unwrap());
                let flags = rustix::io::fcntl_getfd(&got).unwrap();
                assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
                assert_ne!(got.as_raw_fd(), sent.as_raw_fd());
            }
        }
        assert!(received.is_empty());
    }

    #[tokio::test]
    async fn anything_else_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "grandstand sockets 2\nend\n",
            "grandstand sockets 1\nedge.listen\nend\n",
            "grandstand sockets 1\n\u{0}\u{1}",
        ] {
            let (mut old, new) = UnixStream::pair().unwrap();
            old.write_all(text.as_bytes()).await.unwrap();
            drop(old);
            assert!(receive(&new).await.is_err(), "{text}");
        }
        let (mut old, new) = UnixStream::pair().unwrap();
        let endless = async { while old.write_all(&[b'x'; 4096]).await.is_ok() {} };
        let (received, ()) = tokio::join!(async move { receive(&new).await.is_err() }, endless);
        assert!(received);
    }
}
