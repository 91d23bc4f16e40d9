"""The rules that hold in every conversation, whatever the script says."""

import json

from .match import same, show

# type → fields: name → (types, required)
TEXT, INT, BOOL, OBJECT = (str,), (int,), (bool,), (dict,)
FIELDS = {
    "join": {
        "room": (TEXT, True), "role": (TEXT, False), "params": (OBJECT, False), "since": (INT, False), "epoch": (TEXT, False),
        "client": (TEXT, True), "attempt": (INT, True), "datagrams": (BOOL, False), "token": (TEXT, False),
    },
    "leave": {"room": (TEXT, True)},
    "input": {"room": (TEXT, True), "seq": (INT, True), "data": (None, False), "data_b64": (TEXT, False)},
    "live": {"room": (TEXT, True), "data": (None, False), "data_b64": (TEXT, False)},
    "ping": {},
    "auth": {"token": (TEXT, True)},
}  # fmt: skip

# event of a driver → its fields besides `client`
EVENTS = {
    "result": {"id", "ok"}, "status": {"status", "why"}, "snapshot": {"room", "version", "epoch"},
    "update": {"room", "version", "prev"}, "change": {"room", "state"}, "direct": {"room"}, "live": {"room"},
    "presence": {"room", "viewers"}, "reject": {"room", "seq", "code", "message"}, "left": {"room", "code"},
    "error": {"code", "message"}, "token_wanted": {"call"}, "token_expiring": set(), "unhandled": {"message"}, "gone": set(),
}  # fmt: skip
STATUSES = ("connecting", "connected", "reconnecting", "degraded", "closed")
DATA = ("snapshot", "update", "direct", "live")


class Rules:
    """Checks what clients send and what applications see. Reports violations to the case."""

    def __init__(self, case):
        self.case = case
        self.conns = {}  # conn → ConnState
        self.pages = {}  # client of a join → the greatest attempt
        self.sent = {}  # (client, room) → {seq: data}
        self.versions = {}  # (client, room) of the application → version
        self.instances = {}  # room → instance
        self.acked = {}  # room → the last input that is processed

    def state(self, conn):
        return self.conns.setdefault(conn, ConnState())

    def broken(self, conn, text):
        self.case.violation(f"conn {conn.name}: {text}")

    # What the scripted server sends

    def on_server(self, conn, message):
        state, room = self.state(conn), message.get("room")
        if message["type"] == "welcome":
            state.is_welcome = True
            state.window = message.get("limits", {}).get("window", 64)
            state.bytes = message.get("limits", {}).get("message_bytes", 1 << 40)
        elif message["type"] == "joined":
            last = message.get("last_seq", 0)
            if state.rooms.get(room) is None:
                state.rooms[room] = state.acked[room] = last
            else:
                state.rooms[room] = max(state.rooms[room], last)
                state.acked[room] = max(state.acked[room], last)
            if self.instances.get(room, message.get("instance")) != message.get("instance") or last < self.acked.get(room, 0):
                self.forget(room)
            self.instances[room] = message.get("instance")
            self.acked[room] = last
        elif message["type"] == "reject":  # processed, and so are all before it
            state.acked[room] = max(state.acked.get(room, 0), message["seq"])
        elif message["type"] == "ack" and "seq" in message:
            state.acked[room] = max(state.acked.get(room, 0), message["seq"])
            self.acked[room] = max(self.acked.get(room, 0), message["seq"])
        elif message["type"] == "error" and room and message["code"] not in ("busy", "rate_limited"):
            self.forget(room)

    def on_close(self, code):
        """After these codes a client fails its inputs, and their numbers are free."""
        if code in (1002, 1003, 1007, 1009, 4001, 4003, 4009):
            self.sent = {}

    def forget(self, room):
        """The numbers of the inputs of a room are free."""
        for key in [key for key in self.sent if key[1] == room]:
            self.sent[key] = {}

    # What a client sends

    def on_client(self, conn, message, payload):
        state = self.state(conn)
        if not isinstance(message, dict) or message.get("type") not in FIELDS:
            return self.broken(conn, f"no client sends this: {show(message)}")
        kind = message["type"]
        if not state.is_welcome:
            self.broken(conn, f"{kind} before `welcome`")
        if problem := malformed(message):
            return self.broken(conn, f"{problem}: {show(message)}")
        if len(payload) > state.bytes:
            self.broken(conn, f"{kind} has {len(payload)} bytes, more than limits.message_bytes ({state.bytes})")
        if message.get("id") in state.ids:
            self.broken(conn, f"the id {message['id']} was used before on this connection: {show(message)}")
        if "id" in message:
            state.ids.add(message["id"])
        if conn.encoding == "json" and kind in ("input", "live") and not id_is_first(payload):
            self.broken(conn, f"id, room and seq must come before data: {payload[:200]!r}")
        if kind == "join":
            self.on_join(conn, state, message)
        elif kind == "leave":
            if message["room"] not in state.asked:
                self.broken(conn, f"leave of a room that it has not joined: {show(message)}")
        elif kind in ("input", "live"):
            if message["room"] not in state.rooms:
                return self.broken(conn, f"{kind} without `joined`: {show(message)}")
            if kind == "input":
                self.on_input(conn, state, message)

    def on_join(self, conn, state, join):
        state.asked.add(join["room"])
        page, attempt = join["client"], join["attempt"]
        if not 0 < len(page.encode()) <= 64:
            self.broken(conn, f"`client` has {len(page.encode())} bytes: {show(join)}")
        if state.page is None:
            state.page = (page, attempt)
            if attempt <= self.pages.get(page, 0):
                self.broken(conn, f"`attempt` is {attempt}, but must grow with each connection of a client: {show(join)}")
            self.pages[page] = attempt
        elif state.page != (page, attempt):
            self.broken(conn, f"`client` and `attempt` must stay the same on a connection: {show(join)}")
        if ("since" in join) != ("epoch" in join):
            self.broken(conn, f"`since` and `epoch` belong together: {show(join)}")

    def on_input(self, conn, state, message):
        room, seq = message["room"], message["seq"]
        last = state.rooms[room]
        if not 1 <= seq <= last + 1:
            return self.broken(conn, f"seq {seq} leaves a gap, because the last one is {last}: {show(message)}")
        state.rooms[room] = max(last, seq)
        if seq - state.acked[room] > state.window:
            self.broken(conn, f"more than {state.window} unanswered inputs (limits.window): {show(message)}")
        sent = self.sent.setdefault((state.page[0], room), {})
        content = message.get("data", message.get("data_b64"))
        if seq in sent and not same(sent[seq], content):
            self.broken(conn, f"seq {seq} had other data before ({show(sent[seq])}): {show(message)}")
        sent[seq] = content

    # What an application sees

    def on_event(self, event):
        kind, client = event["event"], event.get("client")
        if problem := wrong_event(event):
            return self.case.violation(f"the driver wrote an event that is not in the README ({problem}): {show(event)}")
        if kind == "unhandled":
            self.case.violation(f"the driver reports an unhandled failure: {event.get('message')}")
        if kind == "snapshot":
            self.versions[client, event.get("room")] = event.get("version")
        elif kind == "update":
            key = (client, event.get("room"))
            if event["prev"] != self.versions.get(key) or event["version"] <= event["prev"]:
                self.case.violation(f"the application of {client} at version {self.versions.get(key)} saw {show(event)}")
            self.versions[key] = event.get("version")


class ConnState:
    """What the rules know of a connection."""

    def __init__(self):
        self.is_welcome = False
        self.window = 64
        self.bytes = 1 << 40
        self.page = None
        self.ids = set()
        self.asked = set()  # rooms with a join
        self.rooms = {}  # joined room → the greatest seq
        self.acked = {}


def wrong_event(event):
    """Returns what is wrong with an event of a driver, or None."""
    kind = event["event"]
    if kind not in EVENTS:
        return f"there is no event `{kind}`"
    if missing := sorted(EVENTS[kind] - set(event)):
        return f"`{missing[0]}` is missing"
    if kind == "status" and event["status"] not in STATUSES:
        return f"`{event['status']}` is no status"
    if kind in DATA and ("data" in event) == ("data_b64" in event):
        return "one of `data` and `data_b64` is needed"
    numbers = [name for name in ("version", "prev", "seq", "id") if name in event and not isinstance(event[name], int)]
    return f"`{numbers[0]}` is no integer" if numbers else None


def malformed(message):
    """Returns what is wrong with the fields of a client's message, or None."""
    fields = FIELDS[message["type"]]
    if "id" not in message and message["type"] != "live":
        return "a message needs an `id`"
    id = message.get("id", 0)
    if not isinstance(id, int) or isinstance(id, bool) or id < 0:
        return "`id` must be an integer"
    for name in message.keys() - {"type", "id"}:
        if name not in fields:
            return f"the field `{name}` is not in the protocol"
    for name, (types, required) in fields.items():
        if name not in message:
            if required:
                return f"the field `{name}` is missing"
        elif types and (not isinstance(message[name], types) or isinstance(message[name], bool) != (types is BOOL)):
            return f"the field `{name}` has the wrong type"
    if "data" in fields and ("data" in message) == ("data_b64" in message):
        return "one of `data` and `data_b64` is needed"
    return None


def id_is_first(payload):
    """Whether id, room and seq come before the data, so that an edge can name a message that it does not read to its end."""
    names = list(json.loads(payload))
    data = min(names.index(name) for name in ("data", "data_b64") if name in names)
    return all(names.index(name) < data for name in ("id", "room", "seq") if name in names)
