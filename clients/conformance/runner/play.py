"""Plays one case against a driver."""

import asyncio
import time
from collections import deque

from .conn import Conn
from .match import differs, show
from .rules import Rules

# Events that a script must name, each in its order per client and room. Others may come as often as the SDK likes.
STRICT = ("snapshot", "update", "live", "reject", "left", "token_wanted")
EARLY_S = 0.003  # timers of runtimes may fire by that much too early
QUIET_END_S = 0.06
STEP_S = 4.0
WELCOME = {
    "type": "welcome", "connection": "c0", "edge": "e0", "protocol": 1, "heartbeat_ms": 25000,
    "limits": {"message_bytes": 65536, "rooms": 32, "window": 64, "json_depth": 64}, "features": [],
}  # fmt: skip
CONNECT = {"backoff": {"min_ms": 60, "max_ms": 240}, "connect_timeout_ms": 3000}


class Failed(Exception):
    """The SDK did not do what the case says."""


class Play:
    """A case under way."""

    def __init__(self, case, driver, encoding, slack_s):
        self.case, self.driver, self.encoding, self.slack_s = case, driver, encoding, slack_s
        self.started = time.monotonic()
        self.lines = []  # the conversation so far
        self.violations = []
        self.rules = Rules(self)
        self.known = {}  # what `as` remembers
        self.conns = []
        self.arrivals = deque()  # connections that no `accept` has taken
        self.named = {}  # name → conn
        self.current = None
        self.last_end = self.started
        self.marked = None
        self.changed = asyncio.Event()
        self.queues = {}  # (client, event, room) → events that the script has not looked at
        self.latest = {}  # (client, room) → the last of what an SDK may repeat
        self.results = {}  # id of a command → result
        self.commands = {}  # id of a command → command
        self.nevers = []
        self.clients = {}  # name in the case → name for the driver
        self.back = {}
        self.closed = set()
        self.server = None
        self.serving = None  # what every connection gets, in place of an `accept`
        self.served = []

    # The record

    def log(self, who, direction, what):
        text = what if isinstance(what, str) else show(what)
        self.lines.append(f"{(time.monotonic() - self.started) * 1000:7.0f} ms  {who:8} {direction} {text}")

    def violation(self, text):
        self.violations.append(text)
        self.pulse()

    def pulse(self):
        self.changed.set()

    def judge(self):
        if self.violations:
            raise Failed(self.violations[0])
        if self.driver.problem:
            raise Failed(self.driver.problem + self.driver.stderr())

    async def until(self, condition, timeout_s, what):
        """Waits for a condition, and returns its value."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.judge()
            if (value := condition()) is not None and value is not False:
                return value
            self.changed.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"nothing within {timeout_s:.1f} s: {what() if callable(what) else what}")
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                pass

    # The run

    async def run(self):
        """Plays all steps. Raises `Failed`."""
        self.driver.on_event = self.on_event
        await self.listen(True)
        step = None
        try:
            for step in self.case["steps"]:
                await getattr(self, "do_" + next(verb for verb in step if hasattr(self, "do_" + verb)))(step)
            step = {"where": "the end of the case"}
            await self.finish()
        except Failed as failure:
            raise Failed(f"{step['where']}: {failure}") from None
        finally:
            self.driver.on_event = None
            await self.listen(False)
            for task in self.served:
                task.cancel()
            for conn in self.conns:
                conn.abandon()

    async def serve(self, conn, serving):
        """Gives a connection what the step `serve` says."""
        if serving.get("drop") or not await conn.read_request():
            return conn.drop()
        if "refuse" in serving:
            return await conn.refuse(**{"headers": {}, "body": "", **serving["refuse"]})
        conn.upgrade(self.encoding)
        conn.send([WELCOME] * serving.get("welcome", False) + serving.get("send", []))
        return conn.close(serving["close"])

    async def listen(self, on):
        if not on:
            if self.server:
                self.server.close()
                self.server = None
            return
        port = self.port if hasattr(self, "port") else 0
        self.server = await asyncio.start_server(self.on_connection, "127.0.0.1", port)
        self.port = self.server.sockets[0].getsockname()[1]

    def on_connection(self, reader, writer):
        conn = Conn(self, len(self.conns) + 1, reader, writer)
        self.conns.append(conn)
        self.log(f"conn {conn.name}", "<", "connects")
        if self.serving is None:
            self.arrivals.append(conn)
        else:
            self.served.append(asyncio.ensure_future(self.serve(conn, self.serving)))
        if self.closed and self.closed == set(self.clients):
            self.violation("a connection after `close`")
        self.pulse()

    def on_event(self, event):
        if event.get("client") not in self.back and event["event"] != "gone":
            return  # of an earlier case
        event = {**event, "client": self.back.get(event.get("client"))}
        self.log("app", "<", {name: value for name, value in event.items() if (name, value) != ("client", "main")})
        self.rules.on_event(event)
        if self.violations:
            return
        kind = event["event"]
        for never in self.nevers:
            if differs(never, event) is None:
                self.violation(f"the application must never see {show(never)}, but saw {show(event)}")
        if kind == "result":
            if event.get("id") not in self.commands:
                self.violation(f"a result for a command that there is not: {show(event)}")
            elif event["id"] in self.results:
                self.violation(f"a second result of one command: {show(event)}")
            else:
                self.results[event["id"]] = event
        else:
            about = (event["client"], event.get("room"))
            queue = self.queues.setdefault((event["client"], kind, event.get("room")), deque())
            # An SDK need not report again what its application has.
            if kind not in ("direct", "snapshot") or self.latest.get(about) != event:
                queue.append(event)
            if kind in ("direct", "snapshot", "update"):
                self.latest[about] = event
        self.pulse()

    async def finish(self):
        """Nothing unexpected may follow; then every client is closed, and every command must have its result."""
        for conn in self.conns:  # a ping is never wrong, only unexpected
            conn.auto_pong = True
            conn.inbox = deque(item for item in conn.inbox if item[1].get("type") != "ping")
        await self.quiet(QUIET_END_S)
        self.nevers = []
        ids = []
        for client in set(self.clients) - self.closed:
            ids.append(self.command({"cmd": "close", "client": client}))
        await self.until(lambda: all(id in self.results for id in ids), STEP_S, "the result of `close`")
        self.closed = set(self.clients)
        for conn in self.conns:
            if conn.is_open and not conn.stalled:
                await self.closes(conn, [1000], STEP_S)
        promised = [id for id, command in self.commands.items() if command["cmd"] in PROMISES]
        await self.until(
            lambda: all(id in self.results for id in promised),
            STEP_S,
            lambda: f"results of {[show(self.commands[id]) for id in promised if id not in self.results]}",
        )
        await self.quiet(0.02)

    async def quiet(self, seconds):
        """Nothing may happen that the script does not name."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.surprise()
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                pass
        self.surprise()

    def surprise(self):
        self.judge()
        if self.arrivals:
            raise Failed("the client opened a connection, which it must not do here")
        for conn in self.conns:
            if conn.inbox:
                raise Failed(f"the client sent what it must not send here, on conn {conn.name}: {show(conn.inbox[0][1])}")
        for (_, kind, _), queue in self.queues.items():
            if kind == "error" and any(event.get("code") == "bad_message" for event in queue):
                raise Failed(f"the client did not understand a message that is right: {show(queue[-1])}")
            if kind in STRICT and queue:
                raise Failed(f"the application saw what it must not see here: {show(queue[0])}")

    def conn_of(self, step):
        if "on" not in step:
            return self.current
        return self.named[step["on"]]

    def command(self, command):
        client = command.get("client", "main")
        if client not in self.clients:
            self.clients[client] = name = f"{client}-{self.driver.next_id}"
            self.back[name] = client
        # The line goes out at once, and the event loop reads no event before the command is known.
        id = self.driver.command_line({**command, "client": self.clients[client]})
        self.commands[id] = {**command, "client": client}
        self.log("app", ">", {name: value for name, value in command.items() if (name, value) != ("client", "main")})
        return id

    async def closes(self, conn, codes, timeout_s):
        await self.until(lambda: conn.is_over or conn.close_code, timeout_s, f"the client closes conn {conn.name}")
        if codes and conn.close_code not in codes:
            raise Failed(f"the client closed conn {conn.name} with {conn.close_code}, not with one of {codes}")

    def in_time(self, at, since, bounds_ms, what):
        low, high = bounds_ms
        after = at - since
        if after < low / 1000 - EARLY_S:
            raise Failed(f"{what} came after {after * 1000:.0f} ms, which is too early; it must wait {low} ms")
        if after > high / 1000 + self.slack_s:
            raise Failed(f"{what} came after {after * 1000:.0f} ms, which is too late; it must come within {high} ms")


PROMISES = ("join", "send", "leave", "close", "set_token")
