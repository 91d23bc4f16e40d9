"""A room as an application sees it."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from . import events
from .codec import Message
from .errors import GrandstandError, LeftError
from .machine import Input, Machine

if TYPE_CHECKING:
    from .connections import Connections

log = logging.getLogger("grandstand_client")
Listener = Callable[[events.Event], None]
Reducer = Callable[[Any, Any], Any]
# Events that wait for a slow reader of `Room.events`. After more, it gets a snapshot instead.
MOST_EVENTS = 1024


class Listeners:
    """Callbacks. One that fails is logged, and does not disturb the others."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Calls `callback` with each event from now on. Returns a function that ends this."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback) if callback in self._listeners else None

    def report(self, event: events.Event) -> None:
        for callback in list(self._listeners):
            try:
                callback(event)
            except Exception:
                log.exception("a callback has failed on %s", type(event).__name__)


class Room(Listeners):
    """A room that the client has joined (`Client.join`). It follows the room through every reconnect."""

    def __init__(self, client: "Connections", name: str, join: Message, least: float, reducer: Reducer | None) -> None:
        super().__init__()
        self.name = name
        self.presence: events.Presence | None = None
        self.direct: Any = None
        """The latest message for this player only, for example the own hand of cards."""
        self._client = client
        self.machine = Machine(name, join, client.next_id, client.measure, least, reducer)
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.entered.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._gone = asyncio.Event()

    @property
    def role(self) -> str:
        """`player` or `spectator`, as the server says."""
        return self.machine.role or ""

    @property
    def state(self) -> Any:
        """The view of the room. It follows updates that are merge patches by itself, others with a `reducer`; else it is the
        last snapshot. None for a spectator who waits for the room. Do not change it."""
        return self.machine.state

    @property
    def left(self) -> bool:
        """Whether the client is no longer in the room."""
        return self.machine.left

    async def send(self, data: Any) -> None:
        """Sends an input (JSON, or bytes) and returns when it is acked: stored and processed. It survives reconnects. Raises
        RejectedError if the game refuses it, and another InputError, LeftError or ClosedError if it has no effect. If the
        calling task is cancelled, the input may be processed nevertheless."""
        self._client.check_open()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: GrandstandError | None) -> None:
            if not answer.done():
                answer.set_result(None) if error is None else answer.set_exception(error)

        self.machine.handle_send(Input(data, settle), asyncio.get_running_loop().time())
        self.pump()
        await answer

    def live(self, data: Any) -> None:
        """Sends a message that may be lost: a cursor, a control. Without a connection it is dropped."""
        self.machine.handle_live(data)
        self.pump()

    async def leave(self) -> None:
        """Leaves the room. Inputs without an answer fail."""
        if not self.machine.left:
            self.machine.handle_leave()
            self.pump()
            await self._gone.wait()
            if not self.machine.left:
                self._client.check_open()

    async def events(self) -> AsyncIterator[events.Event]:
        """What happens in the room. The first event is the view (Snapshot), the last one is Left, or the Status `closed`."""
        queue: deque[events.Event] = deque()
        wake = asyncio.Event()

        fresh = False  # whether what comes next follows from what the reader has

        def put(event: events.Event) -> None:
            nonlocal fresh
            last = isinstance(event, events.Left | events.Status)
            fresh = fresh or isinstance(event, events.Snapshot)
            if len(queue) >= MOST_EVENTS and not last:
                queue.clear()
                fresh = False
                self.machine.handle_missed()
                asyncio.get_running_loop().call_soon(self.pump)
            elif fresh or last:
                queue.append(event)
                wake.set()

        machine, stop = self.machine, self.listen(put)
        try:
            if machine.version is not None and (machine.follows or machine.version == machine.snapshot_version):
                fresh = True
                yield events.Snapshot(machine.state, machine.version, machine.epoch, machine.follows)
            else:
                machine.handle_missed()
                self.pump()
            while queue or not machine.left:
                while queue:
                    event = queue.popleft()
                    yield event
                    if isinstance(event, events.Status) and event.status == "closed":
                        return
                wake.clear()
                if not machine.left:
                    await wake.wait()
        finally:
            stop()

    # For the client.

    def pump(self) -> None:
        """Sends and reports what the machine has for others."""
        machine = self.machine
        for number, message in machine.outbox:
            self._client.send(number, message)
        machine.outbox.clear()
        happened, machine.happened = machine.happened, []
        for event in happened:
            if isinstance(event, events.Presence):
                self.presence = event
            elif isinstance(event, events.Direct):
                self.direct = event.data
            waits = isinstance(event, events.Joined) and event.instance is None
            if (waits or isinstance(event, events.Snapshot)) and not self.entered.done():
                self.entered.set_result(None)
            self.report(event)
        if machine.left:
            self._gone.set()
            self._client.forget(self)
            if not self.entered.done():
                self.entered.set_exception(machine.refusal or LeftError(self.name, machine.left_code, "the join is over"))
        self._client.settle()

    def close(self, error: GrandstandError) -> None:
        """The client is closed: nothing that waits gets another answer."""
        self.machine.handle_closed(error)
        self.pump()
        if not self.entered.done():
            self.entered.set_exception(error)
        self._gone.set()
