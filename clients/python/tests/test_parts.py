"""Delays, close codes, merge patches and codecs."""

from typing import Any

import pytest

from grandstand_client import Backoff
from grandstand_client.backoff import End
from grandstand_client.codec import codec, merge


def test_backoff_has_full_jitter() -> None:
    backoff = Backoff(1, 30)
    assert backoff.delay(0) == 0
    for failures, ceiling in [(1, 2), (2, 4), (4, 16), (5, 30), (1000, 30)]:
        delays = [backoff.delay(failures) for _ in range(300)]
        assert 1 <= min(delays) < 1 + ceiling / 5
        assert ceiling * 0.8 < max(delays) <= ceiling


@pytest.mark.parametrize(
    ("code", "then"),
    [(1000, "reconnect"), (1006, "reconnect"), (1009, "reconnect"), (1012, "reconnect"), (4001, "new_token"),
     (4003, "new_token"), (4008, "reconnect"), (4009, "stop"), (1002, "stop"), (1007, "stop"), (4999, "reconnect")],
)  # fmt: skip
def test_close_codes(code: int, then: str) -> None:
    assert End(code).then == then
    assert End(code).why().code


@pytest.mark.parametrize(
    ("view", "patch", "merged"),
    [({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}), ({"a": "b"}, {"a": None}, {}),
     ({"a": ["b"]}, {"a": "c"}, {"a": "c"}), ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
     ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}), ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
     (["a", "b"], ["c", "d"], ["c", "d"]), ({"a": "b"}, ["c"], ["c"]), ({"a": "foo"}, None, None), ({"a": "foo"}, "bar", "bar"),
     ({"e": None}, {"a": 1}, {"e": None, "a": 1}), ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
     ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}})],
)  # fmt: skip
def test_merge_patches_of_rfc_7396(view: Any, patch: Any, merged: Any) -> None:
    assert merge(view, patch) == merged


@pytest.mark.parametrize("frame", ["", "[]", "1", '{"type":1}', '{"data":1}', "{", '"x"', "[" * 100_000])
def test_what_is_no_json_message(frame: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        codec("json").decode(frame)


@pytest.mark.parametrize("frame", ["text", b"\xff\xff\xff\xff", b"\x22\x05\x0a\x10abc"])
def test_what_is_no_protobuf_message(frame: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the text is that of a library)
        codec("protobuf").decode(frame)
