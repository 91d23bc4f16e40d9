"""One WebSocket: from the attempt to open it until its end."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from .backoff import End
from .codec import Codec, Message, whole
from .errors import ConnectError, GrandstandError

# Messages that wait to be written; further lossy ones are dropped.
MOST_WAITING = 1024
LONGEST_PONG = 10.0
CLOSE_TIMEOUT = 2.0


class _Connect(connect_websocket):
    """Follows no redirect: it leads to a captive portal, or to an address that should have been configured."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Link:
    """A connection with its number. `handle` gets each message, and None for a frame that is no message."""

    def __init__(
        self, number: int, codec: Codec, next_id: Callable[[], int], handle: Callable[["Link", Message | None], None]
    ) -> None:
        self.number, self.codec, self.welcome = number, codec, Message()
        self.opened_at = self._heartbeat = 0.0
        self.draining = self.closing = False
        self.names_too_big = False  # whether the edge has said which message was too big
        self._next_id, self._handle = next_id, handle
        self._ws: ClientConnection | None = None
        self._error: GrandstandError | None = None
        self._waiting: deque[Message] = deque()
        self._wake = asyncio.Event()

    async def open(self, url: str, token: str | None, longest: float, options: Mapping[str, Any]) -> None:
        """Connects, and waits for `welcome`. Raises Ended."""
        if token and not all("!" <= character <= "~" for character in token):
            text = "the token has a space, a line's end or another character that no header can carry"
            raise Ended(End(4001, GrandstandError("unauthenticated", text)))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with asyncio.timeout(longest):
                self._ws = await _Connect(
                    url,
                    subprotocols=[Subprotocol(self.codec.subprotocol)],
                    additional_headers=headers,
                    open_timeout=None,
                    ping_interval=None,  # a proxy may answer pings; only the edge answers `ping`
                    close_timeout=CLOSE_TIMEOUT,
                    **({"max_size": 16 * 1024 * 1024} | dict(options)),
                )
                while (message := self._decode(await self._ws.recv())) is None or message["type"] != "welcome":
                    self._note(message)
        except ConnectionClosed as closed:
            raise self._ended(closed) from closed
        except TimeoutError as error:
            self.drop()
            text = f"no welcome from {url} within {longest:g} s; is it the address of a Grandstand edge?"
            raise Ended(End(1006, ConnectError("timeout", text))) from error
        except (OSError, WebSocketException) as error:
            raise Ended(End(1006, _unreachable(url, error))) from error
        except BaseException:
            self.drop()
            raise
        if message.get("protocol", 1) != 1:
            self.drop()
            text = f"the server speaks version {message['protocol']} of the protocol, this client version 1; update it"
            raise Ended(End(1006, ConnectError("unsupported_protocol", text)))
        self.welcome, self.opened_at = message, asyncio.get_running_loop().time()
        try:
            self._heartbeat = (whole(message, "heartbeat_ms", 0) or 25000) / 1000
            for limit in ("window", "message_bytes"):
                whole(self.limits, limit, 0)
        except ValueError as error:
            self.drop()
            raise Ended(End(1006, ConnectError("bad_message", f"`welcome` of {url} cannot be understood: {error}"))) from error

    async def run(self) -> End:
        """Passes messages in both directions until the connection ends."""
        assert self._ws is not None
        heartbeat = self._heartbeat
        writer = asyncio.create_task(self._write(self._ws))
        pinged = False
        try:
            while True:
                try:
                    async with asyncio.timeout(min(heartbeat, LONGEST_PONG) if pinged else heartbeat):
                        frame = await self._ws.recv()
                except TimeoutError:
                    if pinged:
                        return End(1006, ConnectError("timeout", "the server has been silent for too long"))
                    self.send({"type": "ping", "id": self._next_id()})
                    pinged = True
                    continue
                pinged = False
                message = self._decode(frame)
                self._note(message)
                self._handle(self, message)
        except ConnectionClosed as closed:
            return self._ended(closed).end
        finally:
            writer.cancel()
            self.drop()

    @property
    def limits(self) -> Message:
        limits = self.welcome.get("limits")
        return limits if isinstance(limits, dict) else {}

    def send(self, message: Message) -> None:
        if message["type"] != "live" or len(self._waiting) < MOST_WAITING:
            self._waiting.append(message)
            self._wake.set()

    async def close(self) -> None:
        """Closes in order, which takes at most `CLOSE_TIMEOUT`."""
        if self._ws is not None:
            await self._ws.close(1000)

    def drop(self) -> None:
        """Ends the connection without waiting for the other side."""
        if self._ws is not None:
            self._ws.transport.abort()

    async def _write(self, ws: ClientConnection) -> None:
        try:
            while True:
                while self._waiting:
                    await ws.send(self.codec.encode(self._waiting.popleft()))
                self._wake.clear()
                await self._wake.wait()
        except ConnectionClosed:
            pass  # `run` says why

    def _decode(self, frame: str | bytes) -> Message | None:
        try:
            return self.codec.decode(frame)
        except (ValueError, RecursionError):
            return None

    def _note(self, message: Message | None) -> None:
        """Keeps an error about the connection: it says why the connection is closed next."""
        if message is not None and message["type"] == "error" and "room" not in message and "id" not in message:
            try:
                wait = whole(message, "retry_after_ms") / 1000
            except ValueError:  # there is none, or none that means anything
                wait = None
            self._error = GrandstandError(str(message.get("code", "")), str(message.get("message", "")), wait)

    def _ended(self, closed: ConnectionClosed) -> "Ended":
        return Ended(End(closed.rcvd.code if closed.rcvd else 1006, self._error if closed.rcvd else None))


class Ended(Exception):
    """The attempt to open a connection has failed."""

    def __init__(self, end: End) -> None:
        super().__init__(end)
        self.end = end


def _unreachable(url: str, error: Exception) -> ConnectError:
    if isinstance(error, InvalidStatus):
        status, after = error.response.status_code, error.response.headers.get("Retry-After", "")
        body = (error.response.body or b"")[:300].decode(errors="replace")
        text = f"{url} answers HTTP {status} instead of a WebSocket; check the address, and proxies in between: {body}"
        refused = ConnectError("unreachable", text, float(after) if after.isdigit() else None)
        refused.status = status
        return refused
    return ConnectError("unreachable", f"no WebSocket at {url}: {error or type(error).__name__}; is the server running?")
