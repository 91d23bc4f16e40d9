"""Messages as frames, in both encodings. A message is a dict with the names of the protocol; bytes in `data` are bytes."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

Message = dict[str, Any]


class Codec(Protocol):
    """An encoding. `decode` raises ValueError if a frame holds no message."""

    subprotocol: str

    def encode(self, message: Message) -> str | bytes: ...

    def decode(self, frame: str | bytes) -> Message: ...


def dumps(value: Any) -> str:
    """JSON as short as possible. Raises ValueError or TypeError for what JSON cannot express, such as NaN."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def whole(message: Message, key: str, default: int | None = None) -> int:
    """An integer of a message from 0 on; `7.0` is one, too. Raises ValueError."""
    if default is not None and key not in message:
        return default
    value = message.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"{key} is no integer from 0 to 2^64 - 1")
    return value


def text(message: Message, key: str, default: str | None = None) -> str:
    """A string of a message. Raises ValueError."""
    value = message.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r} instead of a string")
    return value


class Json:
    subprotocol = "grandstand.v1.json"

    def encode(self, message: Message) -> str:
        if isinstance(message.get("data"), bytes):
            data = base64.b64encode(message["data"]).decode()
            message = {key: value for key, value in message.items() if key != "data"} | {"data_b64": data}
        return dumps(message)

    def decode(self, frame: str | bytes) -> Message:
        message = json.loads(frame)
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise ValueError("not an object with a type")
        if "data_b64" in message:
            message["data"] = base64.b64decode(text(message, "data_b64"), validate=True)
            del message["data_b64"]
        return message


class Protobuf:
    subprotocol = "grandstand.v1.proto"

    def __init__(self) -> None:
        try:
            from . import grandstand_pb2
        except ImportError as error:
            raise ImportError("encoding='protobuf' needs protobuf: pip install 'grandstand-client[protobuf]'") from error
        self._pb: Any = grandstand_pb2

    def encode(self, message: Message) -> bytes:
        out = self._pb.ClientMessage()
        if "id" in message:
            out.id = message["id"]
        body = getattr(out, message["type"])
        body.SetInParent()
        for key, value in message.items():
            if key == "data" and isinstance(value, bytes):
                body.binary = value
            elif key == "data":
                body.json = dumps(value).encode()
            elif key == "params":
                body.params = dumps(value).encode()
            elif key not in ("type", "id"):
                setattr(body, key, value)
        encoded: bytes = out.SerializeToString()
        return encoded

    def decode(self, frame: str | bytes) -> Message:
        if isinstance(frame, str):
            raise ValueError("a text frame")
        try:
            parsed = self._pb.ServerMessage.FromString(frame)
        except Exception as error:  # DecodeError, whose module depends on how protobuf is built
            raise ValueError(str(error)) from error
        kind = parsed.WhichOneof("kind")
        message: Message = _fields(getattr(parsed, kind)) if kind else {}
        if parsed.HasField("id"):
            message["id"] = parsed.id
        return message | {"type": kind or "unknown"}


def _fields(body: Any) -> Message:
    out: Message = {}
    for field in body.DESCRIPTOR.fields:
        if field.has_presence and not body.HasField(field.name):
            continue
        value = getattr(body, field.name)
        if field.name == "json":
            out["data"] = json.loads(value)
        elif field.name == "binary":
            out["data"] = value
        elif field.message_type is None:
            out[field.name] = list(value) if field.is_repeated else value
        else:
            out[field.name] = [_fields(one) for one in value] if field.is_repeated else _fields(value)
    return out


def codec(name: str) -> Codec:
    """The encoding `json` or `protobuf`."""
    if name == "json":
        return Json()
    if name == "protobuf":
        return Protobuf()
    raise ValueError(f"encoding {name!r}: use 'json' or 'protobuf'")


def merge(view: Any, patch: Any) -> Any:
    """The view after a JSON merge patch (RFC 7396). The old view stays as it is."""
    if not isinstance(patch, Mapping):
        return patch
    out = dict(view) if isinstance(view, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out
