"""The life of the connections: when one is opened, which one serves, and when there is none."""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from . import events
from .backoff import Backoff, End
from .codec import Message, codec
from .errors import ClosedError, ConnectError, GrandstandError, TokenError
from .link import Ended, Link
from .room import Listeners, Room

log = logging.getLogger("grandstand_client")


class Connections(Listeners):
    """Keeps one connection to an edge, and tells rooms about it. `_on_message` gets what comes."""

    def __init__(
        self, url: str, *, token: str | None = None, get_token: Callable[[], Awaitable[str]] | None = None,
        encoding: str = "json", backoff: Backoff | None = None, attempts: int | None = None, timeout: float = 10.0,
        patient: bool = False, websocket: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """`get_token` is called for the first token, and whenever another one is needed. `attempts` is how many attempts in a
        row may fail (None: no limit), `timeout` how many seconds one may take. A `patient` client waits for a server that is
        not there yet. `websocket` holds further arguments for `websockets.connect`, such as `ssl`."""
        super().__init__()
        self._url, self._codec, self._token, self._get_token = _address(url), codec(encoding), token, get_token
        self._backoff, self._attempts, self._timeout = backoff or Backoff(), attempts, timeout
        self._gives_up = not patient and attempts is None
        self._options = websocket or {}
        self.rooms: dict[str, Room] = {}
        """The rooms that the client is in or joins, by name."""
        self.status = "connecting"
        self._closed: GrandstandError | None = None  # why nothing happens any more
        self._welcomed = self._ended = self._waits_for_room = False
        self._links: dict[int, Link] = {}
        self._newest: Link | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._page = secrets.token_hex(8)
        self._number = self._adopted = self._last_id = self._failures = self._refusals = 0
        self._not_before = 0.0
        self._refused: str | None = None
        self._offered: str | None = None  # a token that the server has not accepted yet
        self._renewal: asyncio.Task[None] | None = None
        self._renewals, self._renewed_at = 0, float("-inf")
        self._questions: dict[int, tuple[Link, asyncio.Future[Message]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()  # a connection is to be opened
        self._up = asyncio.Event()  # there is one, or the client is closed

    def start(self) -> None:
        """Connects in the background, for programs that cannot use `async with`. They call `close` at the end."""
        if not self._tasks:
            self._wanted.set()
            self._spawn(self._run())

    # For rooms.

    def check_open(self) -> None:
        if self._closed is not None:
            raise self._closed

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def measure(self, message: Message) -> int:
        """The length of a message in bytes."""
        encoded = self._codec.encode(message)
        return len(encoded.encode() if isinstance(encoded, str) else encoded)

    def send(self, number: int, message: Message) -> None:
        if number in self._links:
            self._links[number].send(message)

    def forget(self, room: Room) -> None:
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]

    def settle(self) -> None:
        """Sets the timer for the first room that wants it, and closes connections that serve no room any more."""
        if self._timer is not None:
            self._timer.cancel()
        due = min((at for room in self.rooms.values() if (at := room.machine.timeout) is not None), default=None)
        self._timer = None if due is None or self._ended else asyncio.get_running_loop().call_at(due, self._on_timer)
        used = {room.machine.link for room in self.rooms.values()}
        for link in self._links.values():
            if link is not self._newest and link.number not in used and not link.closing:
                link.closing = True
                self._spawn(link.close())

    def _on_timer(self) -> None:
        for room in list(self.rooms.values()):
            room.machine.handle_timeout(asyncio.get_running_loop().time())
            room.pump()

    # The life of the connections.

    async def _run(self) -> None:
        """Opens a connection whenever one is wanted."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._closed is not None or (self._newest is not None and not self._newest.draining):
                continue
            try:
                link = await self._open()
            except GrandstandError as error:
                self._stop(error)
            else:
                link.drop() if self._closed is not None else self._adopt(link)

    async def _open(self) -> Link:
        loop = asyncio.get_running_loop()
        while True:
            asked = self._not_before - loop.time()
            least = asked + random.uniform(0, self._backoff.least / 2) if asked > 0 else 0.0
            await asyncio.sleep(max(self._backoff.delay(self._failures), least))
            try:
                token = await self._usable_token()
                self._number += 1
                link = Link(self._number, self._codec, self.next_id, self._on_message)
                await link.open(self._url, token, self._timeout, self._options)
                return link
            except Ended as ended:
                why = self._after(ended.end, 0.0)
                if self._newest is None:
                    self._set_status("reconnecting" if self._welcomed else "connecting", why)
                if self._gives_up and not self._welcomed and self._failures:
                    raise why from ended

    def _adopt(self, link: Link) -> None:
        self._links[link.number] = self._newest = link
        self._adopted = link.number
        self._welcomed = True
        self._up.set()
        self._set_status("connected")
        self._spawn(self._carry(link))
        for room in list(self.rooms.values()):
            room.machine.handle_connected(link.number, link.limits)
            room.pump()
        self.settle()

    async def _carry(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        end = await link.run()
        del self._links[link.number]
        for room in list(self.rooms.values()):
            if end.close_code == 1009 and not link.names_too_big:
                room.machine.handle_too_big(link.number)
            room.machine.handle_lost(link.number)
            room.pump()
        if link is self._newest:
            # A drained connection serves on if the next one is lost. That this one had replaced it means nothing.
            self._newest = next((other for other in self._links.values() if not other.closing), None)
            replaced_by_self = end.close_code == 4009 and link.number < self._adopted
            try:
                why = self._after(End(1006) if replaced_by_self else end, loop.time() - link.opened_at)
                if self._newest is None:
                    self._up.clear()
                    self._set_status("reconnecting", why)
                self._wanted.set()
            except GrandstandError as error:
                self._stop(error)
        for carrier, answer in self._questions.values():
            if carrier is link and not answer.done():
                answer.set_exception(ConnectError("lost", "the connection has ended before the answer"))

    def _after(self, end: End, lived: float) -> GrandstandError:
        """Counts the end of a connection or an attempt, and returns why it came. Raises this if there is to be no other."""
        why = end.why()
        if lived >= self._backoff.least:
            self._failures = self._refusals = 0
        else:
            self._failures += 1
        if end.close_code in (1013, 4029):
            self._failures = max(self._failures, 1)
        self._waits_for_room = end.then == "wait_for_room"
        if end.then == "new_token":
            self._refused = self._token
            if self._offered is not None and self._offered != self._refused:
                self._token = self._offered
            elif self._get_token is None:
                raise why
            self._failures, self._refusals = self._refusals, self._refusals + 1
        if end.then in ("stop", "wait_for_room") or (self._attempts is not None and self._failures >= self._attempts):
            raise why
        self._not_before = asyncio.get_running_loop().time() + end.wait
        return why

    def _stop(self, error: GrandstandError) -> None:
        """Nothing happens any more, unless the application wants it. Everything that waits fails."""
        if self._ended:
            return
        self._closed, self._newest, self._offered = error, None, None
        for room in list(self.rooms.values()):
            room.close(error)
        for _, answer in self._questions.values():
            if not answer.done():
                answer.set_exception(error)
        self._set_status("closed", error)
        self._up.set()
        self.settle()

    async def _usable_token(self) -> str | None:
        if self._get_token is not None and (self._token is None or self._token == self._refused):
            try:
                self._token = await self._get_token()
            except Exception as error:
                raise Ended(End(1006, ConnectError("token_failed", f"get_token has failed: {error!r}"))) from error
        if self._token is not None and self._token == self._refused:
            raise TokenError("unauthenticated", "get_token returns the token that the server has refused")
        return self._token

    async def _ask(self, question: Message) -> Message:
        """Sends a message, and returns the answer with its id."""
        if self._newest is None:
            raise ConnectError("unreachable", "there is no connection at the moment")
        id = self.next_id()
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._questions[id] = self._newest, answer
        self._newest.send(question | {"id": id})
        try:
            return await answer
        finally:
            del self._questions[id]

    def _on_message(self, link: Link, message: Message | None) -> None:
        raise NotImplementedError

    # Steps.

    def _set_status(self, status: str, why: GrandstandError | None = None) -> None:
        if status != self.status or why is not None:
            self.status = status
            for listeners in (self, *self.rooms.values()):
                listeners.report(events.Status(status, why))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the client has failed", exc_info=error)
            self._stop(ClosedError("internal", f"a fault in the client, which is a bug; report it: {error!r}"))


def _address(url: str) -> str:
    """The WebSocket's address: `http` becomes `ws`, and a missing path `/v1/ws`."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of a server; use for example ws://127.0.0.1:8080")
    path = parts.path if parts.path not in ("", "/") else "/v1/ws"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))
