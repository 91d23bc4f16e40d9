"""The machine of a room, message by message."""

import json
from typing import Any

import pytest

from grandstand_client import events
from grandstand_client.errors import GrandstandError, InputError, LeftError, RejectedError, RestartedError, RolledBackError
from grandstand_client.machine import MOST_INPUTS, Input, Machine

LIMITS = {"window": 4, "message_bytes": 200}


def measure(message: Any) -> int:
    return len(json.dumps(message, allow_nan=False))


class Bench:
    """A machine with its surroundings: a clock, ids, and what came out."""

    def __init__(self, *, joined: bool = True, reducer: Any = None) -> None:
        self.now, self.ids = 0.0, 0
        self.machine = Machine("quiz-1", {"client": "c"}, self.next_id, measure, 1.0, reducer)
        self.answers: dict[Any, GrandstandError | None] = {}
        self.machine.handle_connected(1, LIMITS)
        if joined:
            self.take()
            self.hear(type="joined", role="player", instance="1", last_seq=0)
            self.hear(type="snapshot", epoch="e", version=1, patch="merge", data={"n": 1})

    def next_id(self) -> int:
        self.ids += 1
        return self.ids

    def hear(self, link: int = 1, **message: Any) -> None:
        self.machine.handle_message(link, {"room": "quiz-1"} | message, self.now)

    def send(self, *values: Any) -> None:
        for value in values:
            self.machine.handle_send(Input(value, lambda error, value=value: self.answers.update({value: error})), self.now)  # type: ignore[misc]

    def take(self, link: int | None = None) -> list[Any]:
        """What was sent: (seq, data) of inputs, the types of other messages."""
        taken, self.machine.outbox = self.machine.outbox, []
        sent = [message for number, message in taken if link in (None, number)]
        return [(one["seq"], one["data"]) if one["type"] == "input" else one["type"] for one in sent]

    def seen(self) -> list[events.Event]:
        happened, self.machine.happened = self.machine.happened, []
        return happened


def test_merges_patches_and_keeps_the_former_view() -> None:
    bench = Bench()
    former = bench.machine.state
    bench.hear(type="update", version=4, prev=1, data={"m": {"x": 1, "gone": None}})
    bench.hear(type="update", version=5, prev=4, data={"n": None, "m": {"y": [None]}})
    assert bench.machine.state == {"m": {"x": 1, "y": [None]}}
    assert former == {"n": 1}
    assert [event.version for event in bench.seen() if isinstance(event, events.Update)] == [4, 5]


def test_a_gap_asks_once_for_a_snapshot() -> None:
    bench = Bench()
    bench.take()
    for version in (3, 4, 5):
        bench.hear(type="update", version=version, prev=version - 1, data={"n": version})
    join = bench.machine.outbox[0][1]
    assert bench.take() == ["join"]
    assert "since" not in join
    assert bench.machine.state == {"n": 1}
    bench.hear(type="joined", id=join["id"], role="player", instance="1", last_seq=0)
    bench.hear(type="snapshot", epoch="e", version=5, patch="merge", data={"n": 5})
    bench.hear(type="update", version=6, prev=5, data={"n": 6})
    assert bench.machine.state == {"n": 6}


def test_a_gap_while_another_connection_resumes() -> None:
    bench = Bench()
    bench.machine.handle_connected(2, LIMITS)
    bench.hear(1, type="update", version=3, prev=2, data={})
    bench.hear(2, type="joined", role="player", instance="1", last_seq=0)
    bench.hear(2, type="update", version=2, prev=1, data={"n": 2})
    assert bench.machine.state == {"n": 2}


def test_no_join_goes_to_the_former_connection() -> None:
    bench = Bench()
    bench.machine.handle_connected(2, LIMITS)
    for version in (3, 9):
        bench.hear(1, type="update", version=version, prev=version - 1, data={})
        bench.hear(1, type="snapshot", epoch="e", version=version, data={})
    bench.hear(1, type="update", version=20, prev=19, data={})
    bench.hear(2, type="joined", role="player", instance="1", last_seq=0)
    bench.take()
    bench.machine.handle_timeout(5.0)
    assert bench.take() == []


def test_an_application_misses_updates_while_a_connection_resumes() -> None:
    bench = Bench()
    bench.machine.handle_lost(1)
    bench.machine.handle_connected(2, LIMITS)
    bench.machine.handle_missed()
    bench.take()
    bench.hear(2, type="joined", role="player", instance="1", last_seq=0)
    assert "since" not in bench.machine.outbox[0][1]
    assert bench.take() == ["join"]


def test_what_was_missed_without_a_connection_comes_whole() -> None:
    bench = Bench()
    bench.machine.handle_lost(1)
    bench.machine.handle_missed()
    bench.take()
    bench.machine.handle_connected(2, LIMITS)
    assert "since" not in bench.machine.outbox[0][1]


def test_a_reducer_that_fails_is_reported() -> None:
    def fail(state: Any, update: Any) -> Any:
        raise RuntimeError("a bug of the application")

    bench = Bench(reducer=fail)
    bench.hear(type="snapshot", epoch="e", version=1, data=0)
    bench.take()
    bench.hear(type="update", version=2, prev=1, data=1)
    assert bench.take() == ["join"]
    assert [event.code for event in bench.seen() if isinstance(event, events.Problem)] == ["reducer_failed"]


def test_no_timer_is_due_forever() -> None:
    bench = Bench()
    bench.send("a")
    bench.hear(type="error", code="busy", message="", seq=1, retry_after_ms=500)
    bench.machine.handle_lost(1)
    bench.machine.handle_connected(2, LIMITS)
    bench.machine.handle_timeout(0.5)
    assert bench.machine.timeout is None


def test_a_second_gap_waits() -> None:
    bench = Bench()
    bench.hear(type="update", version=3, prev=2, data={})
    bench.take()
    bench.hear(type="snapshot", epoch="e", version=3, patch="merge", data={})
    bench.hear(type="update", version=9, prev=8, data={})
    assert bench.take() == []
    assert bench.machine.timeout == 1.0
    bench.machine.handle_timeout(1.0)
    assert bench.take() == ["join"]


def test_acks_are_cumulative_and_rejects_are_not() -> None:
    bench = Bench()
    bench.take()
    bench.send("a", "b", "c")
    assert bench.take() == [(1, "a"), (2, "b"), (3, "c")]
    bench.hear(type="reject", seq=2, code="no", message="not you")
    assert isinstance(bench.answers["b"], RejectedError)
    assert "a" not in bench.answers
    bench.hear(type="ack", seq=3)
    assert bench.answers["a"] is None
    assert bench.answers["c"] is None


def test_the_window_bounds_what_waits() -> None:
    bench = Bench()
    bench.take()
    bench.send(*range(6))
    assert bench.take() == [(1, 0), (2, 1), (3, 2), (4, 3)]
    bench.hear(type="ack", seq=2)
    assert bench.take() == [(5, 4), (6, 5)]


def test_a_new_connection_sends_again_with_the_same_numbers() -> None:
    bench = Bench()
    bench.send("a", "b")
    bench.hear(type="ack", seq=1)
    bench.machine.handle_lost(1)
    bench.send("c")
    bench.take()
    bench.machine.handle_connected(2, LIMITS)
    assert bench.machine.outbox[0][1] | {"id": 0} == {
        "type": "join", "id": 0, "room": "quiz-1", "client": "c", "attempt": 2, "since": 1, "epoch": "e",
    }  # fmt: skip
    bench.take()
    bench.hear(2, type="joined", role="player", instance="1", last_seq=2)
    assert bench.take() == [(2, "b"), (3, "c")]
    assert set(bench.answers) == {"a"}
    bench.hear(2, type="update", version=2, prev=1, data={"n": 2})
    assert bench.machine.state == {"n": 2}


@pytest.mark.parametrize(
    ("instance", "last", "kind"), [("2", 0, RestartedError), ("2", 5, RestartedError), ("1", 1, RolledBackError)]
)
def test_another_room_behind_the_name_fails_the_inputs(instance: str, last: int, kind: type[InputError]) -> None:
    bench = Bench()
    bench.send("a", "b", "c")
    bench.hear(type="ack", seq=2)
    bench.machine.handle_lost(1)
    bench.machine.handle_connected(2, LIMITS)
    bench.take()
    bench.hear(2, type="joined", role="player", instance=instance, last_seq=last)
    assert isinstance(bench.answers["c"], kind)
    bench.send("d")
    assert bench.take() == [(last + 1, "d")]


def test_a_rollback_is_told_when_nothing_waits() -> None:
    bench = Bench()
    bench.send("a", "b")
    bench.hear(type="ack", seq=2)
    bench.machine.handle_lost(1)
    bench.machine.handle_connected(2, LIMITS)
    bench.seen()
    bench.hear(2, type="joined", role="player", instance="1", last_seq=1)
    assert [event.code for event in bench.seen() if isinstance(event, events.Problem)] == ["room_rolled_back"]


def test_a_repeated_join_sends_again_what_waits() -> None:
    bench = Bench()
    bench.send("a", "b", "c")
    bench.take()
    bench.hear(type="error", code="bad_seq", message="", seq=3)
    assert bench.take() == ["join"]
    bench.send("d")
    bench.hear(type="joined", role="player", instance="1", last_seq=1)
    assert bench.take() == [(1, "a"), (2, "b"), (3, "d")]
    assert set(bench.answers) == {"c"}


def test_busy_holds_the_input_and_those_behind_it() -> None:
    bench = Bench()
    bench.send("a", "b", "c")
    bench.take()
    bench.hear(type="error", code="busy", message="", seq=2, retry_after_ms=500)
    bench.hear(type="error", code="bad_seq", message="", seq=3)
    assert bench.machine.timeout == 0.5
    bench.now = 0.5
    bench.machine.handle_timeout(bench.now)
    assert bench.take() == [(2, "b"), (3, "c")]
    assert bench.answers == {}


def test_an_input_that_is_not_taken_frees_its_number() -> None:
    bench = Bench()
    bench.send("a", "b", "c")
    bench.take()
    bench.hear(type="error", code="bad_data", message="too deep", seq=1)
    assert bench.take() == [(1, "b"), (2, "c")]
    assert bench.answers["a"] is not None
    bench.hear(type="error", code="bad_seq", message="", seq=2, id=4)  # about the former sending of c
    assert set(bench.answers) == {"a"}


def test_too_large_inputs_are_not_sent() -> None:
    bench = Bench()
    bench.take()
    bench.send("x" * 300, "b")
    assert bench.take() == [(1, "b")]
    error = bench.answers["x" * 300]
    assert error is not None
    assert error.code == "too_big"


def test_draining_moves_the_room_without_a_pause() -> None:
    bench = Bench()
    bench.take()
    bench.machine.handle_connected(2, LIMITS)
    assert bench.take(2) == ["join"]
    bench.send("a")
    assert bench.take(1) == [(1, "a")]
    bench.hear(1, type="update", version=2, prev=1, data={"n": 2})
    bench.hear(2, type="joined", role="player", instance="1", last_seq=0)
    assert bench.take(2) == [(1, "a")]
    bench.hear(1, type="left", code="replaced")
    bench.hear(1, type="ack", seq=1)
    bench.hear(2, type="update", version=2, prev=1, data={"n": 2})  # a repeat
    bench.hear(2, type="update", version=3, prev=2, data={"n": 3})
    assert not bench.machine.left
    assert bench.answers == {}
    assert [event.version for event in bench.seen() if isinstance(event, events.Update)] == [2, 3]
    bench.machine.handle_lost(1)
    assert bench.machine.joined


def test_the_next_connection_may_replace_before_it_answers() -> None:
    bench = Bench()
    bench.machine.handle_connected(2, LIMITS)
    bench.hear(1, type="left", code="replaced")
    bench.hear(2, type="joined", role="player", instance="1", last_seq=0)
    assert bench.machine.joined


def test_the_next_connection_may_replace_and_die() -> None:
    bench = Bench()
    bench.send("a")
    bench.machine.handle_connected(2, LIMITS)
    bench.machine.handle_lost(2)
    bench.hear(1, type="left", code="replaced")
    bench.machine.handle_lost(1)
    assert not bench.machine.left
    bench.machine.handle_connected(3, LIMITS)
    bench.take()
    bench.hear(3, type="joined", role="player", instance="1", last_seq=0)
    assert bench.take() == [(1, "a")]
    bench.hear(3, type="left", code="replaced")
    assert bench.machine.left


def test_left_fails_what_waits() -> None:
    bench = Bench()
    bench.send("a")
    bench.hear(type="left", code="finished")
    assert isinstance(bench.answers["a"], LeftError)
    assert bench.answers["a"].code == "finished"
    with pytest.raises(LeftError):
        bench.send("b")


def test_bad_input_is_refused_at_once() -> None:
    bench = Bench()
    for data in (float("nan"), {1, 2}, object()):
        with pytest.raises(InputError) as refused:
            bench.machine.handle_live(data)
        assert refused.value.code == "bad_data"


def test_an_application_that_awaits_nothing_is_stopped() -> None:
    bench = Bench()
    bench.send(*range(MOST_INPUTS))
    with pytest.raises(InputError) as refused:
        bench.send("x")
    assert refused.value.code == "window_full"


def test_old_live_messages_are_ignored() -> None:
    bench = Bench()
    for number in (3, 2, 3, 4):
        bench.hear(type="live", n=number, data=number)
    assert [event.data for event in bench.seen() if isinstance(event, events.Live)] == [3, 4]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "update", "version": 2, "data": 1},
        {"type": "update", "version": "2", "prev": 1, "data": 1},
        {"type": "snapshot", "version": 2.5, "epoch": "e", "data": 1},
        {"type": "ack"},
        {"type": "ack", "seq": True},
        {"type": "left"},
        {"type": "presence", "players": [{"id": 1}], "viewers": 1},
        {"type": "error", "seq": 1},
    ],
)
def test_what_cannot_be_understood_changes_nothing(message: dict[str, Any]) -> None:
    bench = Bench()
    bench.send("a")
    with pytest.raises((KeyError, ValueError)):
        bench.hear(**message)
    bench.hear(type="update", version=2, prev=1, data={"n": 2})
    assert bench.machine.state == {"n": 2}
    assert bench.answers == {}


def test_unknown_types_and_fields_are_ignored() -> None:
    bench = Bench()
    bench.hear(type="firework", data=1)
    bench.hear(type="update", version=2.0, prev=1.0, data={"n": 2}, colour="red")
    assert bench.machine.version == 2
