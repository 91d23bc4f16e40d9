"""A client of the Grandstand protocol, written from docs/protocol.md and based only on `websockets`, or on `aioquic`.

It checks every rule that is visible from outside as messages arrive, and maintains the view that they produce.
"""

import asyncio
import inspect
import json
import os
import sys
import traceback
import urllib.parse

import websockets

WAIT_S = 15
URL = os.environ.get("GRANDSTAND_URL", "ws://127.0.0.1:8080/v1/ws")


class Broken(AssertionError):
    """The server broke a rule of the protocol."""


def rule(holds, text, *about):
    if not holds:
        raise Broken(f"{text}: {about}" if about else text)


def apply(view, update):
    """Returns the view of `memory` after an update."""
    view = json.loads(json.dumps(view))
    kind = update["kind"]
    if kind in ("waiting", "started"):
        view["players"] = update["players"]
        view["scores"] = {player: 0 for player in update["players"]}
        if kind == "started":
            view.update(phase="playing", turn=update["turn"], deadline_ms=update["deadline_ms"])
    elif kind == "flipped":
        rule(view["cards"][update["card"]] is None, "a hidden card is flipped", update)
        view["cards"][update["card"]] = update["face"]
        view["open"].append(update["card"])
    elif kind == "matched":
        view["open"] = [card for card in view["open"] if card not in update["cards"]]
        view["scores"] = update["scores"]
    elif kind == "hidden":
        for card in update["cards"]:
            view["cards"][card] = None
        view["open"] = [card for card in view["open"] if card not in update["cards"]]
    elif kind == "turn":
        view.update(turn=update["player"], deadline_ms=update["deadline_ms"])
    elif kind == "paused":
        view.update(phase="paused", deadline_ms=update["deadline_ms"])
    elif kind == "resumed":
        view["phase"] = "playing"
    elif kind == "over":
        view.update(phase="over", scores=update["scores"], winners=update["winners"], turn=None, deadline_ms=None)
    else:
        rule(kind == "replaced", "a kind of update that is documented", update)
    return view


class Room:
    """A peer's knowledge of a room."""

    def __init__(self, name):
        self.name = name
        self.joined = self.left = self.epoch = self.version = self.view = self.presence = None
        self.sent = self.acked = 0
        self.rejects = {}
        self.snapshots = self.updates = 0
        self.last = None

    def take(self, message):
        kind = message["type"]
        if kind == "joined":
            self.joined = message
            if message["role"] == "player":
                rule(isinstance(message["last_seq"], int), "joined has last_seq for a player", message)
                self.acked = message["last_seq"]
                self.sent = max(self.sent, self.acked)
        elif kind == "error":
            pass
        else:
            rule(self.joined, "joined comes first", message)
        if kind == "snapshot":
            rule(isinstance(message["epoch"], str), "an epoch is a string", message)
            if self.epoch == message["epoch"]:
                rule(message["version"] >= self.version, "versions of an epoch only grow", message)
            self.epoch, self.version, self.view = message["epoch"], message["version"], message["data"]
            self.last = None
            self.snapshots += 1
        elif kind == "update":
            rule(self.view is not None, "a snapshot comes before the first update", message)
            rule(message["prev"] == self.version, "no update is missing or repeated", self.version, message)
            rule(message["version"] > message["prev"], "a version grows", message)
            self.version = message["version"]
            self.updates += 1
            if self.name.startswith("memory"):
                self.view = apply(self.view, message["data"])
                self.last = message["data"]["kind"]
        elif kind == "ack":
            rule(self.acked <= message["seq"] <= self.sent, "acks grow, and cover only sent inputs", message)
            self.acked = message["seq"]
        elif kind == "reject":
            rule(message["seq"] <= self.sent, "only sent inputs are rejected", message)
            rule(message["code"] and message["message"], "a reject has a code and a message", message)
            self.rejects[message["seq"]] = message["code"]
        elif kind == "presence":
            self.presence = message
        elif kind == "left":
            self.left = message


class Peer:
    """One connection."""

    def __init__(self, user):
        self.user = user
        self.rooms = {}
        self.messages = []
        self.failure = None
        self.changed = asyncio.Condition()
        self.ids = 0

    @classmethod
    async def connect(cls, user, url=None, query=None, **options):
        peer = cls(user)
        url = url or URL
        if not url.startswith("ws"):
            import quic

            peer.socket = await quic.connect(url, user)
            peer.reader = asyncio.create_task(peer.read())
            return peer
        query = {"user": user} if query is None else query
        target = url + ("?" + urllib.parse.urlencode(query) if query else "")
        options.setdefault("subprotocols", ["grandstand.v1.json"])
        peer.socket = await websockets.connect(target, max_size=None, proxy=None, **options)
        peer.reader = asyncio.create_task(peer.read())
        return peer

    async def welcomed(self):
        welcome = await self.message(lambda m: m["type"] == "welcome")
        rule(self.socket.subprotocol == "grandstand.v1.json", "the subprotocol is negotiated", self.socket.subprotocol)
        rule(self.messages[0] is welcome, "welcome comes first", self.messages[0])
        rule(welcome["protocol"] == 1 and welcome["heartbeat_ms"] > 0, "welcome has protocol and heartbeat", welcome)
        rule(isinstance(welcome["limits"], dict) and isinstance(welcome["features"], list), "welcome is complete", welcome)
        rule(isinstance(welcome["connection"], str) and isinstance(welcome["edge"], str), "welcome is complete", welcome)
        return self

    async def read(self):
        try:
            async for text in self.socket:
                rule(isinstance(text, str), "JSON arrives in text frames")
                message = json.loads(text)
                self.messages.append(message)
                if message.get("room") in self.rooms:
                    self.rooms[message["room"]].take(message)
                await self.wake()
        except websockets.ConnectionClosed:
            pass
        except Exception as failure:
            self.failure = failure
        await self.wake()

    async def wake(self):
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition, what=None):
        """Waits until a condition holds, and returns its value."""

        def now():
            if self.failure:
                raise self.failure
            return condition()

        async with self.changed:
            try:
                await asyncio.wait_for(self.changed.wait_for(now), WAIT_S)
            except asyncio.TimeoutError:
                what = what or inspect.getsource(condition).strip()
                raise Broken(f"{self.user} waited {WAIT_S} s for: {what}; last: {self.messages[-5:]}") from None
        return condition()

    async def message(self, which, after=0):
        return await self.until(lambda: next((m for m in self.messages[after:] if which(m)), None), inspect.getsource(which).strip())

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def answer(self, message):
        """Sends a message with an id, and returns the answer that echoes it."""
        self.ids += 1
        id = self.ids
        await self.send(id=id, **message)
        return await self.message(lambda m: m.get("id") == id)

    async def error(self, text):
        """Sends a text, and returns the error that answers it."""
        count = len(self.messages)
        await self.socket.send(text)
        return await self.message(lambda m: m["type"] == "error", count)

    async def join(self, name, room=None, **fields):
        room = self.rooms[name] = room or Room(name)
        room.joined = room.left = None
        answer = await self.answer({"type": "join", "room": name, **fields})
        rule(answer["type"] == "joined", f"{self.user} may join {name}", answer)
        return room

    async def input(self, name, data, seq=None):
        """Sends the next input and waits for its ack. Returns the code of its reject, or None."""
        room = self.rooms[name]
        room.sent += 1
        seq = room.sent
        await self.send(type="input", room=name, seq=seq, data=data)
        await self.until(lambda: room.acked >= seq, f"the ack of input {seq}")
        return room.rejects.get(seq)

    async def alive(self):
        pong = await self.answer({"type": "ping"})
        rule(pong["type"] == "pong" and pong["time_ms"] > 1_700_000_000_000, "a ping is answered with the time", pong)

    async def closed(self):
        """Waits until the connection closes, and returns the close code."""
        await asyncio.wait_for(asyncio.shield(self.reader), WAIT_S)
        if self.failure:
            raise self.failure
        return self.socket.close_code

    async def drop(self):
        """Aborts the connection without a close frame."""
        self.socket.transport.abort()
        await self.reader

    async def close(self):
        await self.socket.close()
        await self.reader


def main(tests):
    """Runs the tests: `python test_….py [ADDRESS]`. pytest takes the address from GRANDSTAND_URL.

    An address is ws://host:port/v1/ws, quic://host:port, or https://host:port/v1/wt for WebTransport.
    """
    sys.stdout.reconfigure(line_buffering=True)
    failed = 0
    for test in tests:
        try:
            test()
            print(f"ok      {test.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED  {test.__name__}")
            traceback.print_exc()
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if len(sys.argv) > 1 and "://" in sys.argv[1]:
    URL = sys.argv[1]
