"""The rules of one room, without I/O: messages, connections and time go in; messages, events and answers come out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import events
from .codec import Message, merge, text, whole
from .errors import GrandstandError, InputError, JoinError, LeftError, RejectedError, RestartedError, RolledBackError, RoomError

# Unanswered inputs of a room that are kept; a further one is refused.
MOST_INPUTS = 4096
# The shortest wait before something is sent again, in seconds, whatever the server says.
LEAST_WAIT = 0.1
RESTARTED = "the room was created again"


@dataclass(eq=False, slots=True)
class Input:
    """An input without an answer. It gets its number when it is sent first; `id` is that of the latest message with it."""

    data: Any
    answer: Callable[[GrandstandError | None], None]  # gets None for an ack
    seq: int = 0
    id: int = 0
    sent: bool = False


class Machine:
    """One room of one client. After each `handle_*`, the caller sends what is in `outbox` (with the number of the connection)
    and reports `events`. `timeout` is the time of the next `handle_timeout`."""

    def __init__(
        self, name: str, join: Message, next_id: Callable[[], int], measure: Callable[[Message], int], least: float = 1.0,
        reducer: Callable[[Any, Any], Any] | None = None,
    ) -> None:  # fmt: skip
        self.name, self._join, self._next_id, self._measure = name, join, next_id, measure
        self._least, self._reducer = least, reducer
        self.joined = self.left = False
        self.left_code = "left"
        self.refusal: GrandstandError | None = None  # why a join was refused
        self.role: str | None = None
        self.instance: str | None = None
        self.state: Any = None
        self.version: int | None = None
        self.epoch = ""
        self.snapshot_version: int | None = None
        self.awaits_snapshot = True
        self._patch: str | None = None
        self.outbox: list[tuple[int, Message]] = []
        self.happened: list[events.Event] = []
        self.inputs: list[Input] = []
        self.link: int | None = None  # the connection that serves the room
        self._next: int | None = None  # the one that will, once it has answered the join
        self._limits: dict[int, tuple[int, int]] = {}
        self._orphaned = False  # whether it is lost, and may have replaced the one that serves the room
        self._joins: dict[int, int] = {}  # the id of the unanswered join on each
        self._join_at: dict[int, float] = {}
        self._missed = False  # whether the application has missed updates
        self._resumes: set[int] = set()  # the connections whose last join had `since`
        self._acked = self._next_seq = 0
        self._counts = False  # whether the number of the next input is known
        self._window = self._message_bytes = 0
        self._hold_until, self._last_gap, self._live = 0.0, float("-inf"), -1
        self._leave_id: int | None = None

    @property
    def follows(self) -> bool:
        """Whether `state` contains the updates after the snapshot."""
        return self._patch == "merge" or self._reducer is not None

    @property
    def timeout(self) -> float | None:
        held = [self._hold_until] if self._hold_until and self.inputs else []
        return min([*self._join_at.values(), *held], default=None)

    # What the application does.

    def handle_send(self, item: Input, now: float) -> None:
        """Takes an input, and sends it when its turn comes. Raises what is wrong with it at once."""
        if self.left or self._leave_id is not None:
            raise LeftError(self.name, self.left_code, "the client has left the room; join it again")
        self._check_role()
        if len(self.inputs) >= MOST_INPUTS:
            raise InputError(self.name, "window_full", f"{MOST_INPUTS} inputs wait for their answers; await them first")
        self._size(self._message(item))
        self.inputs.append(item)
        self._flush(now)

    def handle_live(self, data: Any) -> None:
        """Sends a lossy message, or drops it if the client is not in the room."""
        self._check_role()
        message = {"type": "live", "id": self._next_id(), "room": self.name, "data": data}
        if 0 < self._message_bytes < self._size(message):
            raise InputError(self.name, "too_big", f"a message has at most {self._message_bytes} bytes here")
        if self.joined and self.link is not None:
            self.outbox.append((self.link, message))

    def handle_leave(self) -> None:
        """Leaves. Without a connection the client is out at once."""
        self._fail(self.inputs, LeftError, "left", "the client has left the room")
        self._leave_id = self._next_id()
        for link in {self.link, self._next} - {None}:
            self.outbox.append((link or 0, {"type": "leave", "id": self._leave_id, "room": self.name}))
        if self.link is None:
            self._end("left")

    def handle_missed(self) -> None:
        """The application has missed updates: asks for a snapshot."""
        if self.joined and not self.awaits_snapshot and self.link is not None:
            self._send_join(self.link, fresh=True)
        self.awaits_snapshot = self._missed = True

    # What the connections do.

    def handle_connected(self, link: int, limits: Message) -> None:
        """The edge has welcomed a connection. The room moves to it when its `joined` comes."""
        self._limits[link] = whole(limits, "window", 0) or MOST_INPUTS, whole(limits, "message_bytes", 0)
        if self.link is None:
            self._take(link)
        else:
            self._next = link
        self._send_join(link, fresh=False)

    def handle_lost(self, link: int) -> None:
        """A connection is gone. One that is being joined takes its place."""
        for kept in (self._joins, self._join_at, self._limits):
            kept.pop(link, None)
        if link == self._next:
            self._next, self._orphaned = None, True
        if link == self.link:
            self._take(self._next)
            if self.link is None and self._leave_id is not None:
                self._end("left")

    def handle_closed(self, error: GrandstandError) -> None:
        """The client is closed, and may connect again later: all inputs fail."""
        self._joins, self._join_at, self._limits, failed, self.inputs = {}, {}, {}, self.inputs, []
        self._take(None)
        for item in failed:
            item.answer(error)

    def handle_timeout(self, now: float) -> None:
        self._hold_until = 0.0 if now >= self._hold_until else self._hold_until
        for link in [link for link, at in self._join_at.items() if at <= now]:
            self._send_join(link, fresh=False)
        self._flush(now)

    def handle_refused(self, link: int, wait: float | None, now: float) -> None:
        """A message was over the limits, and nobody knows which: all that has no answer is sent again."""
        if link in self._joins:
            self._join_at[link] = now + self._wait(wait)
        if link == self.link and any(item.sent for item in self.inputs):
            self._hold(1, wait, now)

    def handle_too_big(self, link: int) -> None:
        """The connection has ended because of a message that was too big, and nobody knows which: any that was sent."""
        for item in [item for item in self.inputs if item.sent and link == self.link]:
            self._drop(item, "too_big", "the server has closed the connection because of a message that is too big")

    def named(self, id: int) -> Message:
        """The `room` and `seq` of the message with this id, if it was one of this room's."""
        if id in self._joins.values() or id == self._leave_id:
            return {"room": self.name}
        return next(({"room": self.name, "seq": item.seq} for item in self.inputs if item.id == id), {})

    def handle_message(self, link: int, message: Message, now: float) -> None:
        """A message of this room. Raises KeyError, TypeError or ValueError if a field is missing or wrong."""
        kind = message["type"]
        if self.left or (link != self.link and (link != self._next or kind not in ("joined", "error"))):
            return
        if kind in ("snapshot", "update", "direct", "live", "presence") and self.joined:
            self._on_view(kind, message, now)
        elif kind == "joined":
            self._on_joined(link, message, now)
        elif kind == "ack":
            self._on_ack(whole(message, "seq"), now)
        elif kind == "reject":
            seq, code, why = whole(message, "seq"), text(message, "code"), text(message, "message", "")
            found = [item for item in self.inputs if item.seq == seq > 0]
            self.happened += [events.Rejected(seq, code, why) for _ in found]
            self._fail(found, RejectedError, code, why)
            self._flush(now)
        elif kind == "left" and message["code"] == "replaced" and (self._next is not None or self._orphaned):
            self._take(self._next)  # replaced by this client's own next connection
        elif kind == "left":
            self._end(text(message, "code"))
        elif kind == "error":
            self._on_error(link, message, now)

    def _on_view(self, kind: str, message: Message, now: float) -> None:
        if kind == "snapshot":
            data, version, epoch = message["data"], whole(message, "version"), text(message, "epoch")
            self.state, self.version, self.epoch, self._patch = data, version, epoch, message.get("patch")
            self.awaits_snapshot, self._missed, self.snapshot_version = False, False, version
            self.happened.append(events.Snapshot(data, version, epoch, self.follows))
        elif kind == "update":
            self._on_update(message["data"], whole(message, "version"), whole(message, "prev"), now)
        elif kind == "direct":
            self.happened.append(events.Direct(message["data"]))
        elif kind == "live":
            number, data = whole(message, "n", -1), message["data"]
            if number == -1 or number > self._live:
                self._live = max(number, self._live)
                self.happened.append(events.Live(data))
        elif "player_count" in message:
            self.happened.append(events.Presence(None, whole(message, "player_count"), whole(message, "viewers")))
        else:
            players = {text(one, "id"): one["state"] == "connected" for one in message.get("players") or ()}
            self.happened.append(events.Presence(players, len(players), whole(message, "viewers")))

    def _on_joined(self, link: int, message: Message, now: float) -> None:
        role, instance, last = text(message, "role"), message.get("instance"), whole(message, "last_seq", 0)
        again = self._joins.pop(link, None) is not None  # what was sent is sent again; not if nobody has asked
        self._join_at.pop(link, None)
        if link == self._next:
            self._take(link)
            if link in self._resumes and not self._missed:
                self.awaits_snapshot = False  # a gap on the former connection is none here
        if role == "spectator":
            self._fail(self.inputs, InputError, "forbidden", "the client is in the room as a spectator now")
        first = next((item.seq for item in self.inputs if item.seq), last + 1)
        if self.instance is None:
            self._acked = last
        elif role == "player" and instance not in (None, self.instance):
            self._fail(self.inputs, RestartedError, "room_restarted", RESTARTED)
            self._acked = last
        elif role == "player" and (last < self._acked or first > last + 1):
            self._roll_back(last)
        if instance is not None:
            self.awaits_snapshot = self.awaits_snapshot or self.instance not in (None, instance)
            self.instance = text(message, "instance")
        self._next_seq = max([last, *(item.seq for item in self.inputs)]) + 1
        for item in self.inputs:
            item.sent = item.sent and not again
        self.joined, self._counts, self.role = True, True, role
        self.happened.append(events.Joined(role, instance))
        self._flush(now)
        if self._missed and link in self._resumes:
            self._send_join(link, fresh=True)

    def _on_update(self, data: Any, version: int, prev: int, now: float) -> None:
        if self.awaits_snapshot or self.version is None or version <= self.version:
            return
        try:
            if prev == self.version:
                self.state, self.version = self._next_state(data), version
                self.happened.append(events.Update(data, self.state, version, prev, self.follows))
            else:
                self._on_gap(now)
        except Exception as error:  # of the application
            self.happened.append(events.Problem("reducer_failed", f"the reducer has failed: {error!r}", self.name))
            self._on_gap(now)

    def _next_state(self, data: Any) -> Any:
        if self._patch == "merge":
            return merge(self.state, data)
        return self._reducer(self.state, data) if self._reducer is not None else self.state

    def _on_gap(self, now: float) -> None:
        """Asks for a snapshot, but not again and again."""
        if self.link is None:
            return
        self.awaits_snapshot = True
        if now - self._last_gap < self._least:
            self._join_at[self.link] = self._last_gap + self._least
        else:
            self._send_join(self.link, fresh=True)
        self._last_gap = now

    def _on_ack(self, seq: int, now: float) -> None:
        done = [item for item in self.inputs if 0 < item.seq <= seq]
        self.inputs = self.inputs[len(done) :]
        self._acked = max(self._acked, seq)
        for item in done:
            item.answer(None)
        self._flush(now)

    def _on_error(self, link: int, message: Message, now: float) -> None:
        code, why, seq, id = text(message, "code"), text(message, "message", ""), message.get("seq"), message.get("id")
        wait = whole(message, "retry_after_ms") / 1000 if "retry_after_ms" in message else None
        found = next((item for item in self.inputs if item.seq == seq and item.seq > 0), None)
        if code == "room_restarted" and id is None:
            lost = [item for item in self.inputs if seq is not None and (item.seq >= seq or not item.seq)]
            self._fail(lost, RestartedError, code, why or RESTARTED)
        elif code == "room_rolled_back" and id is None:
            self._roll_back(whole(message, "seq", 0))
            self.joined = False
            if link == self.link:
                self._on_gap(now)
            else:
                self._send_join(link, fresh=True)
        elif id == self._joins.get(link, 0) or (seq is None and id is None and link in self._joins):
            if code in ("room_unavailable", "rate_limited"):
                self._join_at[link] = now + self._wait(wait)
            else:
                self._end(code, JoinError(self.name, code, why))
        elif id is not None and id == self._leave_id:
            self._end("left")
        elif found:
            if found.sent and link == self.link and id in (None, found.id):
                self._on_input_error(link, found, code, why, wait, now)
        elif id is None or seq is None:
            self.happened.append(events.Problem(code, why, self.name, seq))

    def _on_input_error(self, link: int, item: Input, code: str, why: str, wait: float | None, now: float) -> None:
        if code in ("busy", "rate_limited"):
            self._hold(item.seq, wait, now)
        elif code == "bad_seq":
            self._fail([other for other in self.inputs if other.seq >= item.seq], InputError, code, why)
            self._counts = False
            self._send_join(link, fresh=False)
        elif code != "not_joined" or self._next is None:  # else it is sent again on the next connection, where the room is
            self._drop(item, code, why)
            self._flush(now)

    # Steps.

    def _check_role(self) -> None:
        if self.role == "spectator":
            raise InputError(self.name, "forbidden", "spectators send nothing; join as a player")

    def _take(self, link: int | None) -> None:
        """Makes a connection the one that serves the room."""
        self.link, self._next, self._orphaned = link, None, False
        self._join_at = {number: at for number, at in self._join_at.items() if number == link}
        self._window, self._message_bytes = self._limits.get(link or 0, (0, 0))
        self.joined, self._live, self._hold_until = False, -1, 0.0
        for item in self.inputs:
            item.sent = False

    def _send_join(self, link: int, fresh: bool) -> None:
        self.awaits_snapshot = self.awaits_snapshot or fresh
        self._join_at.pop(link, None)
        self._joins[link] = self._next_id()
        resume = {} if self.awaits_snapshot else {"since": self.version, "epoch": self.epoch}
        join = {"type": "join", "id": self._joins[link], "room": self.name} | self._join | {"attempt": link} | resume
        self._resumes = self._resumes - {link} if self.awaits_snapshot else self._resumes | {link}
        self.outbox.append((link, join))

    def _flush(self, now: float) -> None:
        """Sends, in order, what was not sent, as far as the window allows."""
        if not self.joined or not self._counts or self.link is None or now < self._hold_until:
            return
        self._hold_until = 0.0
        place = 0
        while place < min(self._window, len(self.inputs)):
            item = self.inputs[place]
            if not item.sent and 0 < self._message_bytes < self._size(self._message(item)):
                self._drop(item, "too_big", f"a message has at most {self._message_bytes} bytes here; send less at once")
                continue
            if not item.sent:
                if not item.seq:
                    item.seq, self._next_seq = self._next_seq, self._next_seq + 1
                item.sent, item.id = True, self._next_id()
                self.outbox.append((self.link, self._message(item)))
            place += 1

    def _message(self, item: Input) -> Message:
        return {"type": "input", "id": item.id, "room": self.name, "seq": item.seq, "data": item.data}

    def _size(self, message: Message) -> int:
        try:
            return self._measure(message)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(self.name, "bad_data", f"the data is not JSON: {error}") from error

    def _wait(self, wait: float | None) -> float:
        return max(self._least if wait is None else wait, LEAST_WAIT)

    def _hold(self, seq: int, wait: float | None, now: float) -> None:
        """Sends the inputs from `seq` on again after a while."""
        for item in self.inputs:
            item.sent = item.sent and item.seq < seq
        self._hold_until = max(self._hold_until, now + self._wait(wait))

    def _drop(self, item: Input, code: str, why: str) -> None:
        """Fails an input that the edge has not taken. Its number is free, so those behind it move up."""
        behind = self.inputs[self.inputs.index(item) + 1 :]
        self._fail([item], InputError, code, why)
        for later in behind if item.seq else ():
            later.seq, later.sent = max(later.seq - 1, 0), False
        self._next_seq -= 1 if item.seq else 0

    def _fail(self, items: Iterable[Input], kind: type[RoomError], code: str, why: str) -> None:
        failed = set(items)
        self.inputs, items = [item for item in self.inputs if item not in failed], list(items)
        for item in items:
            item.answer(kind(self.name, code, why, item.seq or None))

    def _roll_back(self, last: int) -> None:
        why = f"the server's storage came back in an older state; inputs after {last} are lost"
        self.happened.append(events.Problem("room_rolled_back", why, self.name, last))
        self._fail(self.inputs, RolledBackError, "room_rolled_back", why)
        self._acked = last

    def _end(self, code: str, refusal: GrandstandError | None = None) -> None:
        self.left, self.joined, self.left_code, self.refusal = True, False, code, refusal
        self._join_at.clear()
        self._fail(self.inputs, LeftError, code, "the client is no longer in the room, and the input has no answer")
        if self.role is not None:
            self.happened.append(events.Left(code))
