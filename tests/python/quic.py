"""Transports over QUIC for `Peer`, written from docs/protocol.md and based only on `aioquic`.

`connect` returns an object that can do what `Peer` needs of a connection of `websockets`.
"""

import asyncio
import base64
import collections
import contextlib
import hashlib
import hmac
import json
import os
import ssl
import time
import urllib.parse

from aioquic.asyncio.client import connect as quic_connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DatagramReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, DatagramFrameReceived, ProtocolNegotiated, StreamDataReceived

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


def frame(first, payload):
    """A frame as RFC 6455 has it, not masked."""
    size = len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 1 << 16:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


def split(received):
    """Takes the first whole frame from a `bytearray`. Returns its first byte and its payload, or None."""
    if len(received) < 2:
        return None
    short = received[1]
    assert short < 128, "the edge masks nothing"
    start = {126: 4, 127: 10}.get(short, 2)
    if len(received) < start:
        return None
    size = int.from_bytes(received[2:start], "big") if start > 2 else short
    if len(received) < start + size:
        return None
    first, payload = received[0], bytes(received[start : start + size])
    del received[: start + size]
    return first, payload


def token(user, secret=None):
    """A token for all rooms, valid for an hour."""
    secret = secret or os.environ["GRANDSTAND_SECRET"]

    def encode(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"sub": user, "exp": int(time.time()) + 3600, "rooms": {"*": "player"}}
    head = encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + encode(json.dumps(claims).encode())
    return (head + b"." + encode(hmac.new(secret.encode(), head, hashlib.sha256).digest())).decode()


class Closed(Exception):
    """The connection is closed."""


class Connection(QuicConnectionProtocol):
    """A connection whose stream carries frames."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.received, self.texts, self.datagrams = bytearray(), asyncio.Queue(), collections.deque()
        self.stream = self.http = self.session = self.status = None
        self.close_code, self.terminated = None, None
        self.answered, self.ended = asyncio.Event(), asyncio.Event()
        self.subprotocol = "grandstand.v1.json"

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol == "h3":
            self.http = H3Connection(self._quic, enable_webtransport=True)
        if isinstance(event, ConnectionTerminated):
            self.terminated = event
            self.end()
        # aioquic would take what the edge sends on a stream of the client for frames of HTTP/3.
        if isinstance(event, StreamDataReceived) and event.stream_id == self.stream:
            self.take(event.data, event.end_stream)
        elif self.http is not None:
            for http_event in self.http.handle_event(event):
                self.http_event_received(http_event)
        elif isinstance(event, DatagramFrameReceived):
            self.datagrams.append(event.data)

    def http_event_received(self, event):
        if isinstance(event, HeadersReceived) and event.stream_id == self.session:
            self.status = dict(event.headers)[b":status"].decode()
            self.answered.set()
        elif isinstance(event, DatagramReceived):
            self.datagrams.append(event.data)

    def take(self, data, ended):
        self.received += data
        while found := split(self.received):
            first, payload = found
            if first == TEXT:
                self.texts.put_nowait(payload.decode())
            elif first == PING:
                self.write(frame(PONG, payload))
            elif first == CLOSE:
                if self.close_code is None:
                    self.close_code = int.from_bytes(payload[:2], "big")
                    self.write(frame(CLOSE, payload))
                self.end()
        if ended:
            self.end()

    def end(self):
        self.answered.set()
        if not self.ended.is_set():
            self.ended.set()
            self.texts.put_nowait(None)

    def write(self, data):
        self._quic.send_stream_data(self.stream, data)
        self.transmit()

    def __aiter__(self):
        return self

    async def __anext__(self):
        text = await self.texts.get()
        if text is None:
            raise StopAsyncIteration
        return text

    async def send(self, text):
        self.write(frame(TEXT, text.encode()))

    async def close_gracefully(self):
        if not self.ended.is_set():
            self.write(frame(CLOSE, (1000).to_bytes(2, "big")))
            await asyncio.wait_for(self.ended.wait(), 10)


class Socket:
    """A connection, and what keeps it open."""

    def __init__(self, connection, stack):
        self.connection, self.stack = connection, stack

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def __aiter__(self):
        return self.connection

    @property
    def transport(self):
        return self

    def abort(self):
        """Ends the connection without a close frame, as a client does whose program ends."""
        self.connection.close()
        self.connection.end()

    async def close(self):
        await self.connection.close_gracefully()
        await self.stack.aclose()


def configuration(alpn, **options):
    trusted = os.environ.get("SSL_CERT_FILE")
    options.setdefault("max_datagram_frame_size", 65_536)
    settings = QuicConfiguration(is_client=True, alpn_protocols=[alpn], **options)
    if trusted:
        settings.load_verify_locations(trusted)
    else:
        settings.verify_mode = ssl.CERT_NONE
    return settings


async def opened(host, port, alpn, **options):
    stack = contextlib.AsyncExitStack()
    settings = configuration(alpn, **options)
    connection = await stack.enter_async_context(
        quic_connect(host, port, configuration=settings, create_protocol=Connection, wait_connected=True)
    )
    return Socket(connection, stack)


async def native(url, user):
    """`quic://host:port`: one stream, whose first message brings the token."""
    parts = urllib.parse.urlsplit(url)
    socket = await opened(parts.hostname, parts.port, "grandstand/1")
    connection = socket.connection
    connection.stream = connection._quic.get_next_available_stream_id()
    await connection.send(json.dumps({"type": "auth", "token": token(user)}))
    return socket


async def webtransport(url, user, query=None, headers=()):
    """`https://host:port/v1/wt`: a session of WebTransport with one stream."""
    parts = urllib.parse.urlsplit(url)
    socket = await opened(parts.hostname, parts.port, "h3")
    connection, query = socket.connection, {"token": token(user)} if query is None else query
    path = parts.path + ("?" + urllib.parse.urlencode(query) if query else "")
    connection.session = connection._quic.get_next_available_stream_id()
    fields = {":method": "CONNECT", ":scheme": "https", ":authority": parts.netloc, ":path": path, ":protocol": "webtransport"}
    fields.update(headers)
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    connection.http.send_headers(connection.session, encoded)
    connection.transmit()
    await asyncio.wait_for(connection.answered.wait(), 10)
    if connection.status == "200":
        connection.stream = connection.http.create_webtransport_stream(connection.session)
        connection.transmit()
    return socket


async def connect(url, user):
    return await (native if url.startswith("quic:") else webtransport)(url, user)
