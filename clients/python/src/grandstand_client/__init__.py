"""A client for Grandstand, the server for multiplayer games: rooms, inputs and updates over one connection that comes back.

    async with connect("ws://127.0.0.1:8080?user=alice") as client:
        room = await client.join("relay-1")
        await room.send("hello")
"""

from .backoff import Backoff
from .client import Client
from .client import Client as connect
from .errors import (
    ClosedError,
    ConnectError,
    GrandstandError,
    InputError,
    JoinError,
    LeftError,
    RejectedError,
    ReplacedError,
    RestartedError,
    RolledBackError,
    RoomError,
    TokenError,
)
from .events import Direct, Event, Joined, Left, Live, Presence, Problem, Rejected, Snapshot, Status, TokenExpiring, Update
from .room import Room

__version__ = "0.1.0"

__all__ = [
    "Backoff", "Client", "ClosedError", "ConnectError", "Direct", "Event", "GrandstandError", "InputError", "JoinError",
    "Joined", "Left", "LeftError", "Live", "Presence", "Problem", "Rejected", "RejectedError", "ReplacedError",
    "RestartedError", "RolledBackError", "Room", "RoomError", "Snapshot", "Status", "TokenError", "TokenExpiring", "Update",
    "connect",
]  # fmt: skip
