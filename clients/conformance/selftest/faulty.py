"""A driver around a client that knows just enough for a few cases, and breaks one rule when it is told to.

It is no SDK: it serves to show that the runner calls wrong what is wrong. `faulty.py [FAULT]`; the faults are those that this
file asks for with `has`.
"""

import asyncio
import json
import os
import random
import sys

import websockets

FAULT = sys.argv[1] if len(sys.argv) > 1 else None


def has(fault):
    return fault == FAULT


def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Room:
    def __init__(self, join):
        self.join = join
        self.id = None  # of the command, until `joined`
        self.version = self.epoch = None
        self.last = 0
        self.open = {}  # seq → (command, data)
        self.waiting = []  # inputs of a time without a connection
        self.is_joined = False


class Client:
    def __init__(self, command):
        self.name, self.command = command["client"], command
        self.rooms, self.socket, self.is_closed, self.attempt, self.ids = {}, None, False, 0, 0
        self.task = asyncio.ensure_future(self.run())

    def say(self, event, **fields):
        say(event=event, client=self.name, **fields)

    def result(self, id, error=None):
        answer = {"ok": True, "value": {"role": "player"}} if error is None else {"ok": False, "error": {"code": error, "message": error}}
        self.say("result", id=id, **answer)
        if has("answers twice"):
            self.say("result", id=id, **answer)

    async def run(self):
        self.say("status", status="connecting", why=None)
        bounds, failed, is_first = self.command["backoff"], 0, True
        loop = asyncio.get_running_loop()
        while not self.is_closed:
            if failed and not has("hammers"):
                most = min(bounds["max_ms"], bounds["min_ms"] * 2**failed)
                await asyncio.sleep(random.uniform(bounds["min_ms"], most) / 1000)
            self.attempt += 0 if has("same attempt") and self.attempt else 1
            began = None
            try:
                subprotocols = [] if has("no subprotocol") else ["grandstand.v1.json"]
                url = self.command["url"] + (f"?token={self.command['token']}" if "token" in self.command else "")
                async with websockets.connect(url, subprotocols=subprotocols, proxy=None) as socket:
                    self.socket, self.is_welcome = socket, False
                    if has("impatient"):
                        await self.enter_all()
                    async for text in socket:
                        message = json.loads(text)
                        if message["type"] == "welcome":
                            began, self.is_welcome = loop.time(), True
                            self.say("status", status="connected", why=None)
                            await self.enter_all()
                        else:
                            await self.take(message)
            except (OSError, websockets.WebSocketException):
                pass
            self.socket = None
            for room in self.rooms.values():
                room.is_joined = False
            stood = began is not None and loop.time() - began >= bounds["min_ms"] / 1000
            failed = 0 if stood else failed + 1
            if not self.is_closed:
                status = "connecting" if is_first and began is None else "reconnecting"
                is_first = is_first and began is None
                self.say("status", status=status, why={"code": "lost", "message": "lost"})

    async def send(self, **message):
        self.ids += 1
        if self.socket:
            await self.socket.send(json.dumps({"id": 1 if has("same id") else self.ids, **message}))

    async def enter_all(self):
        for room in self.rooms.values():
            await self.enter(room)

    async def enter(self, room):
        message = {"type": "join", **room.join, "client": self.name, "attempt": self.attempt}
        if room.version is not None and not has("forgets since"):
            message |= {"since": room.version, "epoch": room.epoch}
        if has("sends before joined"):
            await self.send(type="input", room=room.join["room"], seq=1, data=1)
        await self.send(**message)

    async def take(self, message):
        kind, room = message["type"], self.rooms.get(message.get("room"))
        if room is None:
            return
        if kind == "joined":
            room.is_joined = True
            room.last = max([message["last_seq"], *room.open])
            if room.id is not None:
                self.result(room.id)
                room.id = None
            for seq, (_, data) in list(room.open.items()):
                if not has("forgets inputs"):
                    await self.send(type="input", room=room.join["room"], seq=seq, data="other" if has("other data") else data)
            for id, data in room.waiting:
                await self.input(room, id, data)
            room.waiting = []
        elif kind == "snapshot":
            room.version, room.epoch = message["version"], message["epoch"]
            self.say(kind, **pick(message))
        elif kind == "update":
            if room.version is None or message["version"] <= room.version:
                return
            if message["prev"] != room.version and not has("ignores gaps"):
                room.version = None
                return await self.enter(room)
            room.version = message["version"]
            if not has("misses updates"):
                self.say(kind, **pick(message))
            if has("doubles updates"):
                self.say(kind, **pick(message))
        elif kind == "ack":
            for seq in [seq for seq in room.open if seq <= message["seq"]]:
                id, _ = room.open.pop(seq)
                if not has("answers nothing"):
                    self.result(id)

    async def input(self, room, id, data):
        room.last += 2 if has("leaves gaps") else 1
        room.open[room.last] = (id, data)
        await self.send(type="input", room=room.join["room"], seq=room.last, data=data)
        if has("acks early"):
            self.result(room.open.pop(room.last)[0])

    async def on_command(self, command):
        kind, id = command["cmd"], command["id"]
        if kind == "join" and self.is_closed:
            self.result(id, "closed")
        elif kind == "join":
            room = Room({"room": command["room"]})
            room.id = id
            self.rooms[command["room"]] = room
            if self.socket and self.socket.state.name == "OPEN" and self.is_welcome:
                await self.enter(room)
        elif kind == "send":
            room = self.rooms[command["room"]]
            if self.is_closed:
                return self.result(id, "closed")
            if not room.is_joined:
                return room.waiting.append((id, command["data"]))
            await self.input(room, id, command["data"])
        elif kind == "close":
            await self.close(id)
        if has("is unhandled"):
            self.say("unhandled", message="a callback failed")
        if has("invents events"):
            self.say("status", status="happy", why=None)
        if has("writes nonsense"):
            print("hello")
        if has("crashes") and kind == "send":
            os._exit(3)

    async def close(self, id):
        self.is_closed = True
        for room in self.rooms.values():
            for open_id, _ in [*room.open.values(), *room.waiting]:
                self.result(open_id, "closed")
            if room.id is not None:
                self.result(room.id, "closed")
            room.id, room.open, room.waiting = None, {}, []
        if self.socket and not has("stays"):
            await self.socket.close(1001 if has("closes wrongly") else 1000)
        self.task.cancel()
        self.result(id)
        self.say("status", status="closed", why={"code": "closed", "message": "closed"})


def pick(message):
    return {name: message[name] for name in ("room", "version", "prev", "epoch", "data") if name in message}


async def main():
    say(event="ready", sdk="faulty", version="0", encodings=["json"], features=[])
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clients = {}
    while line := await reader.readline():
        command = json.loads(line)
        if command["cmd"] == "connect":
            clients[command["client"]] = Client(command)
        else:
            await clients[command["client"]].on_command(command)
    if has("does not exit"):
        await asyncio.sleep(60)
    if has("exits with 1"):
        sys.exit(1)


asyncio.run(main())
