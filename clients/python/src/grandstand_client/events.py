"""What happens in a room or to the connection, in the order in which it happens."""

from dataclasses import dataclass
from typing import Any

from .errors import GrandstandError


@dataclass(frozen=True, slots=True)
class Joined:
    """The client is in the room, for the first time or again. Without `instance` a spectator waits for the room."""

    role: str
    instance: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole view, which replaces the former one. `state` is what `Room.state` is after it."""

    state: Any
    version: int
    epoch: str
    follows: bool = True  # whether `state` will contain the updates


@dataclass(frozen=True, slots=True)
class Update:
    """A change of the view: `data` is what the game says, or a merge patch. `state` is what `Room.state` is after it."""

    data: Any
    state: Any
    version: int
    prev: int
    follows: bool = True


@dataclass(frozen=True, slots=True)
class Direct:
    """A message for this player only. It may be repeated; the latest one counts."""

    data: Any


@dataclass(frozen=True, slots=True)
class Live:
    """A message that may be lost: a cursor, or the frame of a room in real time."""

    data: Any


@dataclass(frozen=True, slots=True)
class Presence:
    """The people in the room. `players` (id, and whether connected) is None in rooms of more than 64 players."""

    players: dict[str, bool] | None
    player_count: int
    viewers: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The game has refused an input of this client. `Room.send` raises the same."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Left:
    """The last event of a room: the client is no longer in it, and does not join it again on its own."""

    code: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the connection: `connecting`, `connected`, `degraded`, `reconnecting`, `closed`; and why."""

    status: str
    why: GrandstandError | None = None


@dataclass(frozen=True, slots=True)
class TokenExpiring:
    """The token expires soon, and the client has no `get_token`: call `Client.set_token`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that answers no call: `room_rolled_back`, a message that cannot be understood, a callback that failed."""

    code: str
    message: str
    room: str | None = None
    seq: int | None = None


Event = Joined | Snapshot | Update | Direct | Live | Presence | Rejected | Left | Status | TokenExpiring | Problem
