"""The verbs of a script."""

import asyncio
import time

from .match import differs, fill, show
from .play import CONNECT, STEP_S, STRICT, WELCOME, Failed, Play


class Steps(Play):
    """A case under way, with what each verb does."""

    def timeout(self, step):
        return step.get("timeout_ms", STEP_S * 1000) / 1000

    # The application

    async def do_app(self, step):
        command = fill(step["app"], self.known)
        if command["cmd"] == "connect":
            command = {"url": f"ws://127.0.0.1:{self.port}/v1/ws", "encoding": self.encoding, **CONNECT, **command}
        id = self.command(command)
        if "as" in step:
            self.known[step["as"]] = {"command": id}

    async def do_result(self, step):
        id = self.known[step["result"]]["command"]
        command = show(self.commands[id])
        result = await self.until(lambda: self.results.get(id), self.timeout(step), f"a result of {command}")
        if "ok" in step:
            if not result.get("ok"):
                raise Failed(f"{command} failed with {show(result.get('error'))}, but must succeed")
            if step["ok"] is not True and (found := differs(fill(step["ok"], self.known), result.get("value"))):
                raise Failed(f"the result of {command}: {found}")
        else:
            error = step["error"] if isinstance(step["error"], dict) and "$in" not in step["error"] else {"code": step["error"]}
            if result.get("ok"):
                raise Failed(f"{command} succeeded, but must fail with {show(error)}")
            if found := differs({"message": "$string", **error}, result.get("error"), "error"):
                raise Failed(f"the result of {command}: {found}")
        if self.commands[id]["cmd"] == "close":
            self.closed.add(self.commands[id]["client"])

    async def do_open(self, step):
        await asyncio.sleep(0.03)
        self.judge()
        for name in step["open"]:
            id = self.known[name]["command"]
            if id in self.results:
                raise Failed(f"{show(self.commands[id])} has a result already: {show(self.results[id])}")

    async def do_see(self, step):
        pattern = {"client": "main", **fill(step["see"], self.known)}
        kind, room = pattern["event"], pattern.get("room")
        skipped = []

        def is_about(key):
            return key[:2] == (pattern["client"], kind) and (key[2] == room or "room" not in pattern)

        def found():
            for queue in [queue for key, queue in self.queues.items() if is_about(key)]:
                while queue:
                    event = queue.popleft()
                    difference = differs(pattern, event)
                    if difference is None:
                        return event
                    if kind in STRICT:
                        raise Failed(f"the application must see {show(pattern)} next, but saw {show(event)}: {difference}")
                    skipped.append(event)
            return None

        def what():
            last = f"; it saw {show(skipped[-3:])}" if skipped else ""
            return f"the application sees {show(pattern)}{last}"

        event = await self.until(found, self.timeout(step), what)
        if "as" in step:
            self.known[step["as"]] = event

    async def do_never(self, step):
        self.nevers.append({"client": "main", **fill(step["never"], self.known)})

    # Connections

    async def do_accept(self, step):
        wanted = fill(step["accept"], self.known)
        await self.until(lambda: bool(self.arrivals), self.timeout(step), "the client connects")
        conn = self.arrivals.popleft()
        if "as" in step:
            conn.name = step["as"]
        self.named[conn.name] = self.current = conn
        if "within_ms" in wanted:
            since = self.marked if self.marked is not None else self.last_end
            self.in_time(conn.arrived, since, wanted["within_ms"], "a connection")
        self.marked = None
        conn.auto_pong = wanted.get("auto_pong", True)
        if wanted.get("drop"):
            return conn.drop()
        if wanted.get("silent"):
            conn.task = asyncio.ensure_future(self.watch_silent(conn))
            return
        if not await asyncio.wait_for(conn.read_request(), STEP_S):
            raise Failed("the client sent no HTTP request")
        if "token" in wanted and conn.token != wanted["token"]:
            raise Failed(f"the handshake has the token {conn.token}, not {wanted['token']}")
        if wanted.get("no_token") and conn.token:
            raise Failed(f"the handshake has the token {conn.token}, but must have none")
        if "refuse" in wanted:
            refuse = wanted["refuse"]
            return await conn.refuse(refuse["status"], refuse.get("headers", {}), refuse.get("body", ""), refuse.get("raw"))
        conn.upgrade(self.encoding)
        self.judge()

    async def watch_silent(self, conn):
        """Reads, but answers nothing, until the client gives up."""
        try:
            while await conn.reader.read(4096):
                pass
        except OSError:
            pass
        conn.is_over = True
        conn.end()
        self.log(f"conn {conn.name}", "<", "end of the connection")
        self.pulse()

    async def do_welcome(self, step):
        given = fill(step["welcome"], self.known)
        limits = {**WELCOME["limits"], **given.get("limits", {})}
        self.conn_of(step).send([{**WELCOME, **given, "limits": limits}])

    async def do_send(self, step):
        messages = step["send"] if isinstance(step["send"], list) else [step["send"]]
        self.conn_of(step).send(fill(messages, self.known))

    async def do_send_raw(self, step):
        self.conn_of(step).send_raw(**step["send_raw"])

    async def do_close(self, step):
        value = step["close"]
        code, reason = (value, "") if isinstance(value, int) else (value["code"], value.get("reason", ""))
        conn = self.conn_of(step)
        conn.lingers = isinstance(value, dict) and value.get("linger", False)
        conn.close(code, reason)

    async def do_drop(self, step):
        conn = self.conn_of(step)
        return conn.finish() if step["drop"] == "fin" else conn.drop()

    async def do_stall(self, step):
        self.conn_of(step).stall()

    async def do_ping(self, step):
        conn = self.conn_of(step)
        before = conn.pongs
        conn.ping()
        await self.until(lambda: conn.pongs > before, STEP_S, "the client answers a ping of the WebSocket")

    async def do_closed(self, step):
        conn, codes = self.conn_of(step), step["closed"]
        await self.closes(conn, codes if isinstance(codes, list) else None, self.timeout(step))

    # Messages of the client

    async def next_message(self, conn, step, what):
        await self.until(lambda: bool(conn.inbox), self.timeout(step), lambda: f"the client sends {what} on conn {conn.name}")
        conn.taken_at, message = conn.inbox.popleft()
        return message

    async def do_expect(self, step):
        conn, pattern = self.conn_of(step), fill(step["expect"], self.known)
        since = self.marked if self.marked is not None else conn.sent_at
        message = await self.next_message(conn, step, show(pattern))
        if found := differs(pattern, message):
            raise Failed(f"the client must send {show(pattern)} next, but sent {show(message)}: {found}")
        if "within_ms" in step:
            self.in_time(conn.taken_at, since, step["within_ms"], f"the message {pattern.get('type')}")
            self.marked = None
        if "as" in step:
            self.known[step["as"]] = message

    async def do_maybe(self, step):
        """The client may send this within 60 ms, but nothing else."""
        conn, pattern = self.conn_of(step), fill(step["maybe"], self.known)
        await asyncio.sleep(0.06)
        if conn.inbox and differs(pattern, conn.inbox[0][1]) is None:
            conn.inbox.popleft()

    async def do_expect_all(self, step):
        """The client sends these messages in any order. `as` names them by the room."""
        conn, patterns = self.conn_of(step), fill(step["expect_all"], self.known)
        while patterns:
            message = await self.next_message(conn, step, f"one of {show(patterns)}")
            matching = [pattern for pattern in patterns if differs(pattern, message) is None]
            if not matching:
                raise Failed(f"the client must send one of {show(patterns)}, but sent {show(message)}")
            patterns.remove(matching[0])
            if "as" in step:
                self.known[f"{step['as']}_{message.get('room', '').replace('-', '_')}"] = message

    # Time

    async def do_quiet(self, step):
        await self.quiet(step["quiet"] / 1000)

    async def do_wait(self, step):
        deadline = time.monotonic() + step["wait"] / 1000
        while (left := deadline - time.monotonic()) > 0:
            self.judge()
            await asyncio.sleep(min(left, 0.05))

    async def do_mark(self, step):
        self.marked = time.monotonic()

    async def do_serve(self, step):
        self.serving, self.served = step["serve"] or None, []

    async def do_count(self, step):
        """The client must have opened between so and so many connections since `serve`. It may be late on a busy machine."""
        low, high = step["count"]
        deadline = time.monotonic() + STEP_S
        while len(self.served) < low and time.monotonic() < deadline:
            self.judge()
            await asyncio.sleep(0.05)
        if not low <= len(self.served) <= high:
            raise Failed(f"the client opened {len(self.served)} connections, not {low} to {high}")

    async def do_listen(self, step):
        await self.listen(step["listen"])
