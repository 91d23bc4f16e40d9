"""What an application sees of a client, and what becomes of the messages that it gets."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from . import events
from .codec import Message, text, whole
from .connections import Connections
from .errors import ClosedError, ConnectError, GrandstandError, JoinError, TokenError
from .link import Link
from .machine import LEAST_WAIT
from .room import Listener, Reducer, Room


@contextmanager
def _understood() -> Iterator[None]:
    """An answer that is not one raises ConnectError."""
    try:
        yield
    except ValueError as error:
        raise ConnectError("bad_message", f"the answer of the server cannot be understood: {error}") from error


class Client(Connections):
    """A connection that comes back, and its rooms: `async with connect(…) as client`."""

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await self._up.wait()
            self.check_open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. What waits fails with ClosedError. A game sees a player who is lost, not one who leaves."""
        self._stop(ClosedError("closed", "the client was closed"))
        self._ended = True
        await asyncio.gather(*(link.close() for link in self._links.values()))
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def join(
        self, room: str, *, role: str | None = None, params: Mapping[str, Any] | None = None, token: str | None = None,
        reducer: Reducer | None = None, listener: Listener | None = None,
    ) -> Room:  # fmt: skip
        """Joins a room, and returns when its view is there. A spectator may wait for a room that does not exist yet. `token`
        is an invitation. `reducer` makes the next state from the former one and the data of an update, for games whose updates
        are not merge patches. `listener` hears all events, also those of the join. Raises JoinError."""
        if self._waits_for_room:
            self.reconnect()
        self.check_open()
        if room in self.rooms:
            raise JoinError(room, "already_joined", "use the former Room, or leave it first")
        fields = {"role": role, "params": params and dict(params), "token": token, "client": self._page}
        message = {key: value for key, value in fields.items() if value is not None}
        try:
            self.measure({"type": "join", "room": room} | message)
        except (TypeError, ValueError) as error:
            raise JoinError(room, "bad_message", f"the join cannot be encoded: {error}") from error
        joined = self.rooms[room] = Room(self, room, message, self._backoff.least, reducer)
        if listener is not None:
            joined.listen(listener)
        if self._newest is not None:
            joined.machine.handle_connected(self._newest.number, self._newest.limits)
        joined.pump()
        try:
            await joined.entered
        except BaseException as error:
            if not isinstance(error, GrandstandError):
                joined.machine.handle_leave()
                joined.pump()
            self.forget(joined)
            raise
        return joined

    async def set_token(self, token: str) -> None:
        """Replaces the token, before it expires or after it was refused. Returns when the server has accepted it; without a
        connection at once. Raises TokenError."""
        if self._ended:
            self.check_open()
        self._offered = token
        while self._newest is not None:
            try:
                answer = await self._ask({"type": "auth", "token": token})
            except ConnectError:
                await self._up.wait()  # the next connection is asked
                self.check_open()
                continue
            if answer["type"] != "error":
                break
            with _understood():
                if self._offered != token or "retry_after_ms" not in answer:
                    raise TokenError(text(answer, "code"), text(answer, "message", ""))
                wait = whole(answer, "retry_after_ms") / 1000
            await asyncio.sleep(max(wait, LEAST_WAIT))
        if self._offered == token:
            self._token, self._offered = token, None
        self.reconnect()

    def reconnect(self) -> None:
        """Connects again, if the client is `closed` because another connection has replaced it, or for want of a token. Rooms
        that were not left are joined again."""
        if self._closed is not None and not self._ended:
            self._closed, self._refused, self._waits_for_room = None, None, False
            self._failures = self._refusals = 0
            self._up.clear()
            self._set_status("reconnecting" if self._welcomed else "connecting")
            self._wanted.set()

    async def ping(self) -> int:
        """The server's clock in Unix milliseconds, by which deadlines in rooms count."""
        self.check_open()
        answer = await self._ask({"type": "ping"})
        with _understood():
            if answer["type"] == "error":
                raise GrandstandError(text(answer, "code"), text(answer, "message", ""))
            return whole(answer, "time_ms")

    async def _renew(self, get_token: Callable[[], Awaitable[str]]) -> None:
        loop = asyncio.get_running_loop()
        # Tokens that expire soon after they were issued are not renewed faster than lost connections.
        self._renewals = self._renewals + 1 if loop.time() - self._renewed_at < self._backoff.most else 0
        for failures in itertools.count(self._renewals):
            await asyncio.sleep(self._backoff.delay(failures))
            try:
                await self.set_token(await get_token())
                break
            except GrandstandError as error:
                self.report(events.Problem(error.code, error.message))
                break
            except Exception as error:
                self.report(events.Problem("token_failed", f"get_token has failed: {error!r}"))
        self._renewed_at = loop.time()

    # Messages.

    def _on_message(self, link: Link, message: Message | None) -> None:
        try:
            if message is None:
                raise ValueError("it is no message in this encoding")
            self._dispatch(link, message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = f"a message of the server cannot be understood, and is ignored: {error!r}"
            self.report(events.Problem("bad_message", why, message.get("room") if message else None))

    def _dispatch(self, link: Link, message: Message) -> None:
        kind, id = message["type"], message.get("id")
        now = asyncio.get_running_loop().time()
        if kind == "error" and "room" not in message and id is not None:
            message = next((found for room in self.rooms.values() if (found := room.machine.named(id))), {}) | message
        if kind == "error" and message.get("code") == "too_big" and "seq" in message:
            link.names_too_big = True
        if "room" in message:
            if (room := self.rooms.get(message["room"])) is not None:
                try:
                    room.machine.handle_message(link.number, message, now)
                finally:
                    room.pump()
        elif id in self._questions:
            if not self._questions[id][1].done():
                self._questions[id][1].set_result(message)
        elif kind == "notice":
            self._on_notice(link, text(message, "code"), whole(message, "reconnect_in_ms", 0) / 1000)
        elif kind == "error":
            code = text(message, "code")
            wait = whole(message, "retry_after_ms") / 1000 if "retry_after_ms" in message else None
            for room in list(self.rooms.values()) if code == "rate_limited" and id is None else ():
                room.machine.handle_refused(link.number, wait, now)
                room.pump()
            self.report(events.Problem(code, text(message, "message", "")))

    def _on_notice(self, link: Link, code: str, wait: float) -> None:
        if code == "draining" and not link.draining:
            link.draining = True
            at = max(asyncio.get_running_loop().time() + wait, link.opened_at + self._backoff.least)
            asyncio.get_running_loop().call_at(at, lambda: self._wanted.set() if link is self._newest else None)
        elif code in ("degraded", "recovered") and link is self._newest:
            self._set_status("degraded" if code == "degraded" else "connected")
        elif code == "token_expiring" and self._get_token is not None:
            if self._renewal is None or self._renewal.done():
                self._renewal = self._spawn(self._renew(self._get_token))
        elif code == "token_expiring":
            self.report(events.TokenExpiring())
