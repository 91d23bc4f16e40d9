"""The protobuf encoding of the protocol, made from the text of `grandstand.proto`.

A decoded message has the form of the JSON encoding: `type` and the fields of the member of `kind`, `data` parsed, and bytes
as `data_b64`.
"""

import base64
import json
import pathlib
import re

FILE = pathlib.Path(__file__).resolve().parents[3] / "common/proto/grandstand.proto"
FIELD = re.compile(r"(optional |repeated )?(\w+) (\w+) = (\d+);")


class Malformed(ValueError):
    """Bytes that are not a message."""


def parse(text):
    """Returns the messages of a .proto file: name → {number: (name, type, label)}. Members of a `oneof` have its name as label."""
    messages, message, group = {}, None, None
    for line in re.sub(r"//.*", "", text).splitlines():
        line = line.strip()
        if line.startswith("message "):
            name, rest = re.match(r"message (\w+) \{(.*)", line).groups()
            message = messages.setdefault(name, {})
            if rest.strip() == "}":
                message = None
        elif line.startswith("oneof "):
            group = line.split()[1]
        elif line == "}":
            if group:
                group = None
            else:
                message = None
        elif message is not None and (match := FIELD.match(line)):
            label, kind, name, number = match.groups()
            message[int(number)] = (name, kind, (label or "").strip() or group or "")
    return messages


MESSAGES = parse(FILE.read_text())


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("a number has no end")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def put(name, fields):
    """Encodes the fields of a message."""
    out = b""
    for number, (field, kind, label) in sorted(MESSAGES[name].items()):
        value = fields.get(field)
        if value is None or (not label and not value):
            continue  # absent, or the default of a field without presence
        for item in value if label == "repeated" else [value]:
            if kind in ("uint64", "uint32", "bool"):
                out += varint(number << 3) + varint(int(item))
                continue
            if kind in MESSAGES:
                item = put(kind, item)
            elif kind == "string":
                item = item.encode()
            out += varint(number << 3 | 2) + varint(len(item)) + item
    return out


def take(name, data):
    """Decodes the fields of a message. Unknown fields are ignored."""
    fields = {}
    for field, kind, label in MESSAGES[name].values():
        if label == "repeated":
            fields[field] = []
        elif not label and kind not in MESSAGES:
            fields[field] = {"string": "", "bytes": b"", "bool": False}.get(kind, 0)
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = read_varint(data, at)
        elif wire in (1, 2, 5):
            size, at = read_varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise Malformed("a field is longer than its message")
        else:
            raise Malformed(f"wire type {wire}")
        if number not in MESSAGES[name]:
            continue
        field, kind, label = MESSAGES[name][number]
        if (wire == 0) != (kind in ("uint64", "uint32", "bool")) or wire in (1, 5):
            raise Malformed(f"{name}.{field} has wire type {wire}")
        if kind in MESSAGES:
            value = take(kind, value)
        elif kind == "string":
            try:
                value = value.decode()
            except UnicodeDecodeError:
                raise Malformed(f"{name}.{field} is not UTF-8") from None
        elif kind == "bool":
            value = bool(value)
        if label == "repeated":
            fields[field].append(value)
            continue
        if label not in ("", "optional"):  # the last member of a `oneof` counts
            for other, _, group in MESSAGES[name].values():
                if group == label:
                    fields.pop(other, None)
        fields[field] = value
    return fields


def encode(side, message):
    """Encodes a message in the form of JSON. `side` is "ClientMessage" or "ServerMessage". Unknown types and fields get
    numbers that no version has."""
    fields = dict(message)
    kind, id = fields.pop("type"), fields.pop("id", None)
    unknown = b""
    if "data" in fields:
        fields["json"] = json.dumps(fields.pop("data"), separators=(",", ":")).encode()
    if "data_b64" in fields:
        fields["binary"] = base64.b64decode(fields.pop("data_b64"))
    if "params" in fields:
        fields["params"] = json.dumps(fields["params"], separators=(",", ":")).encode()
    kinds = {name: inner for name, inner, _ in MESSAGES[side].values()}
    if kind not in kinds:
        return put(side, {"id": id}) + varint(900 << 3 | 2) + varint(2) + b"\x08\x01"
    known = {name for name, _, _ in MESSAGES[kinds[kind]].values()}
    if set(fields) - known:
        unknown = varint(901 << 3 | 2) + varint(3) + b"new"
    inner = put(kinds[kind], fields) + unknown
    number = next(n for n, (name, _, _) in MESSAGES[side].items() if name == kind)
    return put(side, {"id": id}) + varint(number << 3 | 2) + varint(len(inner)) + inner


def decode(side, data):
    """Decodes a message to the form of JSON."""
    outer = take(side, data)
    id = outer.pop("id", None)
    if len(outer) != 1:
        raise Malformed(f"{len(outer)} members of `kind`")
    ((kind, fields),) = outer.items()
    message = {"type": kind} if id is None else {"type": kind, "id": id}
    for name, value in fields.items():
        if name in ("json", "params"):
            try:
                message["data" if name == "json" else name] = json.loads(value)
            except ValueError:
                raise Malformed(f"{kind}.{name} is not JSON") from None
        elif name == "binary":
            message["data_b64"] = base64.b64encode(value).decode()
        elif value or name not in ("attempt", "datagrams"):
            message[name] = value
    return message
