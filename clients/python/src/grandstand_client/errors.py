"""What can go wrong. Every error has a `code`, which programs compare, and a text, which says what to do."""


class GrandstandError(Exception):
    """The base of all errors of this package. `retry_after` is in seconds."""

    def __init__(self, code: str, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code, self.message, self.retry_after = code, message, retry_after


class ConnectError(GrandstandError):
    """No connection: nothing that speaks WebSocket is there (`unreachable`, with the HTTP `status` of a refusal), it says
    nothing (`timeout`), speaks another version (`unsupported_protocol`) or something else (`bad_message`), or `get_token` has
    failed (`token_failed`)."""

    status: int | None = None


class ClosedError(GrandstandError):
    """The connection is closed, and the client opens no other. `close_code` is that of the server, if it has closed it."""

    close_code: int | None = None


class TokenError(ClosedError):
    """The server does not accept the token: it is missing, expired, invalid or revoked. `Client.set_token` goes on."""


class ReplacedError(ClosedError):
    """Another connection of the same player has taken over. `Client.reconnect` takes it back; only the user may want that."""


class RoomError(GrandstandError):
    """An error of one room, and of the input `seq` if there is one."""

    def __init__(self, room: str, code: str, message: str = "", seq: int | None = None) -> None:
        super().__init__(code, f"{message} (room {room})" if message else f"room {room}")
        self.room, self.message, self.seq = room, message, seq


class JoinError(RoomError):
    """The join was refused by the server (`no_such_game`, `forbidden`), or by the game (`room_full`, or its own code)."""


class LeftError(RoomError):
    """The client is no longer in the room: `left`, `replaced`, `finished`, `kicked`, or a code of the game."""


class InputError(RoomError):
    """The input has had no effect: the server has not taken it (`too_big`, `bad_data`, `forbidden`), or one of these three."""


class RejectedError(InputError):
    """The game has processed the input and refused it, with its own code."""


class RestartedError(InputError):
    """The room was created again (`room_restarted`)."""


class RolledBackError(InputError):
    """The server's storage came back in an older state (`room_rolled_back`). Inputs that were acked before may be lost, too."""
