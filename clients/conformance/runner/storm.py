"""A storm: a server that keeps the protocol over a network and a cluster that do not hold for long.

It refuses, drops, stalls and closes connections, drains, refuses tokens, changes epochs, leaves gaps and repeats, is busy and
unavailable, all by a seed. An application sends inputs to two rooms meanwhile, and watches a third one. Afterwards every input must
be answered, and be in its room once and in order; and the application must have the state of the rooms.
"""

import asyncio
import copy
import random
import time

from .conn import Conn
from .play import STEP_S, WELCOME, Failed, Play

ROOMS = ("storm-1", "storm-2")
SHOW = "show-1"  # watched
STORM_S = 3.0
CALM_S = 10.0
OPTIONS = {"backoff": {"min_ms": 10, "max_ms": 60}, "connect_timeout_ms": 400}
HEARTBEAT_MS = 300


class Room:
    """What the servers know of a room."""

    def __init__(self, name):
        self.name = name
        self.epoch = 1
        self.version = 0
        self.view = {"count": 0}
        self.updates = []  # of this epoch: (version, prev, patch)
        self.log = []
        self.last_seq = 0
        self.rejects = {}  # seq → code
        self.conn = None  # the connection of the player's session
        self.attempt = 0  # of that connection's page
        self.viewers = set()  # connections of spectators
        self.has_refused = False

    def snapshot(self):
        return {
            "type": "snapshot", "room": self.name, "epoch": f"e{self.epoch}", "version": self.version,
            "patch": "merge", "data": copy.deepcopy(self.view),
        }  # fmt: skip

    def update(self, version, prev, patch):
        return {"type": "update", "room": self.name, "version": version, "prev": prev, "data": patch}

    def apply(self, data):
        """Applies an accepted input. Returns its update."""
        self.log.append(data["n"])
        patch = {"count": len(self.log), "last": data["n"], f"slot{data['n'] % 5}": data["n"] if data["n"] % 3 else None}
        for name, value in patch.items():
            if value is None:
                self.view.pop(name, None)
            else:
                self.view[name] = value
        self.version += 1
        self.updates.append((self.version, self.version - 1, patch))
        return self.update(*self.updates[-1])

    def answers(self):
        rejects = [self.reject(seq) for seq in sorted(self.rejects)[-8:]]
        return [*rejects, {"type": "ack", "room": self.name, "seq": self.last_seq}] if self.last_seq else []

    def reject(self, seq):
        return {"type": "reject", "room": self.name, "seq": seq, "code": "odd", "message": "the game does not like it"}


class Storm(Play):
    """A storm under way."""

    def __init__(self, seed, driver, encoding, slack_s):
        super().__init__({"name": f"storm/{seed}", "steps": []}, driver, encoding, slack_s)
        self.random = random.Random(seed)
        self.is_calm = self.is_over = False
        self.rooms = {name: Room(name) for name in (*ROOMS, SHOW)}
        self.tokens, self.refused = 0, {}  # the last token; refused token → how often it was shown
        self.sends = {name: [] for name in ROOMS}  # (command, n, whether the game accepts it)
        self.seen = {}  # room → (version, epoch) of the application
        self.states = {}
        self.tasks = []

    def chance(self, part):
        return not self.is_calm and self.random.random() < part

    # The servers

    def on_connection(self, reader, writer):
        conn = Conn(self, len(self.conns) + 1, reader, writer)
        self.conns.append(conn)
        conn.rooms = set()
        self.log(f"conn {conn.name}", "<", "connects")
        if self.closed:
            self.violation("a connection after `close`")
        self.tasks.append(asyncio.ensure_future(self.serve(conn)))

    async def serve(self, conn):
        if self.chance(0.1):
            return conn.drop()
        if not await conn.read_request():
            return None
        if self.chance(0.1):
            return await conn.refuse(502, {}, "<html>bad gateway</html>")
        if self.chance(0.05):
            return None  # says nothing
        conn.upgrade(self.encoding)
        await self.pause(0.02)
        if conn.token in self.refused:
            return self.refuse(conn)
        limits = {**WELCOME["limits"], "window": self.random.randint(2, 9)}
        if conn.is_open:
            conn.send([{**WELCOME, "heartbeat_ms": HEARTBEAT_MS, "limits": limits}])
        while conn.is_open:
            await self.next_change(lambda: conn.inbox or not conn.is_open)
            await self.pause(0.01)
            while conn.inbox and conn.is_open:
                self.answer(conn, conn.inbox.popleft()[1])

    def refuse(self, conn):
        """Refuses a client's token. It may show it again, because it need not have got a refusal that crossed its own close."""
        self.refused[conn.token] = self.refused.get(conn.token, 0) + 1
        if self.refused[conn.token] > 4:
            self.violation(f"conn {conn.name}: the token {conn.token} was refused four times before")
        if conn.is_open:
            conn.send([{"type": "error", "code": "unauthenticated", "message": "the token has expired"}])
            conn.close(4001)

    async def pause(self, most_s):
        if not self.is_calm:
            await asyncio.sleep(self.random.random() * most_s)

    async def next_change(self, condition):
        while not condition():
            await asyncio.sleep(0.002)

    def answer(self, conn, message):
        kind, room = message["type"], self.rooms.get(message.get("room"))
        if kind == "join":
            self.answer_join(conn, room, message)
        elif kind == "input" and room.conn is conn:
            self.answer_input(conn, room, message)

    def answer_join(self, conn, room, join):
        if self.chance(0.1):
            code = self.random.choice(["room_unavailable", "rate_limited"])
            error = {"type": "error", "id": join["id"], "code": code, "message": "later", "room": room.name, "retry_after_ms": 40}
            return conn.send([error])
        if room.name == SHOW:
            room.viewers.add(conn)
            return self.admit(conn, room, join, {"role": "spectator"})
        if join["attempt"] < room.attempt:  # a late join does not replace a newer connection of the same page
            return conn.send([{"type": "left", "room": room.name, "code": "replaced"}])
        old, room.conn, room.attempt = room.conn, conn, join["attempt"]
        room.has_refused &= old is conn
        conn.rooms.add(room.name)
        if old is not None and old is not conn:
            old.rooms.discard(room.name)
            if old.is_open:
                old.send([{"type": "left", "room": room.name, "code": "replaced"}])
                if not old.rooms:
                    old.close(4009)
        return self.admit(conn, room, join, {"role": "player", "last_seq": room.last_seq})

    def admit(self, conn, room, join, role):
        answer = [{"type": "joined", "id": join["id"], "room": room.name, "instance": "7", **role}]
        missed = [update for update in room.updates if update[0] > join.get("since", 0)]
        # Of a jump it takes the whole, so that each `since` that a client can have is the end of one.
        resumes = join.get("epoch") == f"e{room.epoch}" and (not missed or missed[0][1] == join["since"])
        if join.get("epoch") == f"e{room.epoch}" and join["since"] > room.version:
            self.violation(f"conn {conn.name}: since is above every version: {join}")
        answer += [room.update(*update) for update in missed] if resumes and not self.chance(0.1) else [room.snapshot()]
        return conn.send(answer + room.answers())

    def answer_input(self, conn, room, message):
        seq, data = message["seq"], message["data"]
        next_seq = room.last_seq + 1
        error = {"type": "error", "id": message["id"], "room": room.name, "seq": seq, "message": "later", "retry_after_ms": 30}
        if seq > next_seq and not room.has_refused:
            return self.violation(f"conn {conn.name}: the next input must have seq {next_seq}: {message}")
        if seq > next_seq or (seq == next_seq and self.chance(0.05)):
            room.has_refused = True
            code = "busy" if seq == next_seq else self.random.choice(["busy", "bad_seq"])
            return conn.send([{**error, "code": code}])
        if seq < next_seq:
            again = [room.reject(seq)] if seq in room.rejects else []
            return conn.send([*again, {"type": "ack", "room": room.name, "seq": room.last_seq}])
        room.has_refused = False
        room.last_seq = seq
        out = []
        if data["odd"]:
            room.rejects[seq] = "odd"
            out.append(room.reject(seq))
        else:
            update = room.apply(data)
            out += [] if self.chance(0.03) else [update] * (2 if self.chance(0.05) else 1)
        out.append({"type": "ack", "room": room.name, "seq": seq})
        if self.chance(0.1):
            out.insert(0, {"type": "presence", "room": room.name, "players": [], "viewers": self.random.randint(0, 9)})
        if self.chance(0.05):  # the answer is lost with the connection
            return conn.drop()
        return conn.send(out)

    # The storm

    async def blow(self):
        while not self.is_calm:
            await asyncio.sleep(self.random.uniform(0.03, 0.2))
            alive = [conn for conn in self.conns if conn.is_open and self.rules.state(conn).is_welcome]
            if not alive or self.is_calm:
                continue
            conn = self.random.choice(alive)
            what = self.random.choice(["drop", "drop", "stall", "close", "drain", "drain", "epoch", "degraded", "expire"])
            if what == "drop":
                conn.drop()
            elif what == "stall":
                conn.stall()
            elif what == "close":
                conn.close(self.random.choice([1000, 1001, 1011, 1012, 4008]))
            elif what == "drain":
                conn.send([{"type": "notice", "code": "draining", "reconnect_in_ms": self.random.randint(0, 60)}])
            elif what == "expire" and self.tokens:
                self.refuse(conn)
            elif what in ("degraded", "expire"):
                conn.send([{"type": "notice", "code": self.random.choice(["degraded", "recovered"])}])
            else:
                room = self.random.choice(list(self.rooms.values()))
                room.epoch, room.version, room.updates = room.epoch + 1, self.random.randint(0, 5), []
                for member in [room.conn, *room.viewers]:
                    if member and member.is_open:
                        member.send([room.snapshot()])

    async def show(self):
        """Changes the room that is watched. Its versions jump, as those of a room that is limited in its rate."""
        room, n = self.rooms[SHOW], 0
        while not self.is_calm:
            await asyncio.sleep(self.random.uniform(0.005, 0.04))
            n += 1
            prev = room.version
            room.apply({"n": n})
            room.version += self.random.choice([0, 0, 3])
            room.updates[-1] = (room.version, prev, room.updates[-1][2])
            update = room.update(*room.updates[-1])
            for conn in [conn for conn in room.viewers if conn.is_open]:
                if not self.chance(0.03):
                    conn.send([update] * (2 if self.chance(0.05) else 1))

    # The application

    def on_event(self, event):
        super().on_event(event)
        room = event.get("room")
        if event["event"] == "snapshot":
            self.seen[room] = event["version"]
        elif event["event"] == "update":
            self.seen[room] = event["version"]
        elif event["event"] == "change":
            self.states[room] = event["state"]
        elif event["event"] == "token_wanted":
            self.tasks.append(asyncio.ensure_future(self.give_token(event["call"])))
        elif event["event"] == "left":
            self.violation(f"the application left {room}: {event}")
        elif event["event"] == "status" and event["status"] == "closed" and not self.is_over:
            self.violation(f"the client is closed: {event}")

    async def give_token(self, call):
        await self.pause(0.05)
        if self.chance(0.2):
            return self.command({"cmd": "token", "call": call, "error": "the login server is away"})
        self.tokens += 1
        return self.command({"cmd": "token", "call": call, "token": f"token-{self.tokens}"})

    async def send_inputs(self):
        n = 0
        while not self.is_calm:
            for _ in range(self.random.choice([1, 1, 1, 6])):
                n += 1
                name, odd = self.random.choice(ROOMS), self.random.random() < 0.1
                id = self.command({"cmd": "send", "room": name, "data": {"n": n, "odd": odd}})
                self.sends[name].append((id, n, odd))
            await asyncio.sleep(self.random.uniform(0, 0.04))

    # The run

    async def run(self):
        self.driver.on_event = self.on_event
        await self.listen(True)
        try:
            await self.play()
        finally:
            self.driver.on_event = None
            await self.listen(False)
            for task in self.tasks:
                task.cancel()
            for conn in self.conns:
                conn.abandon()

    async def play(self):
        url = f"ws://127.0.0.1:{self.port}/v1/ws"
        source = {"token_source": True} if "token_source" in self.driver.ready.get("features", []) else {}
        self.command({"cmd": "connect", "url": url, "encoding": self.encoding, **source, **OPTIONS})
        joins = [self.command({"cmd": "join", "room": name}) for name in ROOMS]
        joins.append(self.command({"cmd": "join", "room": SHOW, "role": "spectator"}))
        await self.until(lambda: all(id in self.results for id in joins), CALM_S, "the client joins its rooms")
        self.tasks += [asyncio.ensure_future(task()) for task in (self.blow, self.send_inputs, self.show)]
        end = time.monotonic() + STORM_S
        while time.monotonic() < end:
            self.judge()
            await asyncio.sleep(0.01)
        self.is_calm = True
        sent = [item for name in ROOMS for item in self.sends[name]]

        def unanswered():
            return [self.commands[id] for id, _, _ in sent if id not in self.results]

        await self.until(lambda: not unanswered(), CALM_S, lambda: f"answers to {unanswered()}")
        for id, n, odd in sent:
            result = self.results[id]
            if result.get("ok") == odd or (odd and result["error"].get("code") != "odd"):
                raise Failed(f"the input {n} {'must be rejected' if odd else 'must succeed'}, but: {result}")
        for name, room in self.rooms.items():
            expected = [n for _, n, odd in self.sends.get(name, []) if not odd]
            if name != SHOW and room.log != expected:
                raise Failed(f"{name} must have the inputs {expected}, each once and in order, but has {room.log}")
        for room in self.rooms.values():  # a client notices an update that was left out when the next one comes
            update = room.apply({"n": 1})
            for member in [room.conn, *room.viewers]:
                if member and member.is_open:
                    member.send([update])
        await self.until(self.is_current, CALM_S, lambda: f"the application has {self.views()}; it has {self.seen} {self.states}")
        self.is_over = True
        id = self.command({"cmd": "close"})
        await self.until(lambda: id in self.results, STEP_S, "the result of `close`")
        self.closed.add("main")
        await asyncio.sleep(0.1)
        self.judge()

    def views(self):
        return {name: (room.version, room.view) for name, room in self.rooms.items()}

    def is_current(self):
        return {name: (self.seen.get(name), self.states.get(name)) for name in self.rooms} == self.views()
