"""When a client connects again, and when it does not: decisions without I/O."""

import random
from dataclasses import dataclass
from typing import Literal

from .errors import ClosedError, ConnectError, GrandstandError, ReplacedError, TokenError

# The codes of connections that ended without an error that says more.
CODES = {
    1002: "protocol_error", 1003: "unsupported_data", 1007: "bad_utf8", 1008: "policy", 1009: "too_big", 1011: "internal",
    1012: "going_away", 1013: "overloaded", 4001: "unauthenticated", 4003: "forbidden", 4008: "timeout", 4009: "replaced",
    4010: "timeout", 4029: "rate_limited",
}  # fmt: skip
BUG = "the server says that this client broke the protocol, which is a bug in the client; report it"
ADVICE = {
    1002: BUG, 1003: BUG, 1007: BUG,
    4001: "the server accepts no such token; connect with another one",
    4003: "the token does not allow this, or was revoked; connect with another one",
    4009: "another connection of this player has taken over; connect again only if the user asks for it",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts, in seconds: none before the first, then a random time between `least` and a ceiling that
    doubles up to `most` (full jitter)."""

    least: float = 1.0
    most: float = 30.0

    def delay(self, failures: int) -> float:
        """The delay before the next attempt, after this many failures in a row."""
        if failures == 0:
            return 0.0
        return random.uniform(self.least, min(self.most, self.least * 2.0 ** min(failures, 30)))


@dataclass(frozen=True, slots=True)
class End:
    """The end of a connection, or of the attempt to open one: its close code, and the error that the server sent before."""

    close_code: int
    error: GrandstandError | None = None

    @property
    def then(self) -> Literal["reconnect", "new_token", "wait_for_room", "stop"]:
        """What the client does next."""
        if self.close_code in (4001, 4003):
            return "new_token"
        if self.close_code == 4008 and self.error is not None and self.error.code == "no_room":
            return "wait_for_room"
        refused = self.error is not None and self.error.code == "unsupported_protocol"
        return "stop" if refused or self.close_code in (1002, 1003, 1007, 4009) else "reconnect"

    @property
    def wait(self) -> float:
        """How long the server wants to be left alone, in seconds."""
        asked = self.close_code in (1013, 4029) or isinstance(self.error, ConnectError)
        return (self.error.retry_after or 0.0) if asked and self.error is not None else 0.0

    def why(self) -> GrandstandError:
        """The end as an error that says what to do."""
        if isinstance(self.error, ConnectError):
            return self.error
        kind = {4001: TokenError, 4003: TokenError, 4009: ReplacedError}.get(self.close_code, ClosedError)
        code = self.error.code if self.error is not None else CODES.get(self.close_code, "lost")
        text = self.error.message if self.error is not None else ""
        advice = ADVICE.get(self.close_code, f"the connection has ended with the close code {self.close_code}")
        why = kind(code, "; ".join(part for part in (text, advice) if part), self.wait or None)
        why.close_code = self.close_code
        return why
