"""Holds docs/protocol/messages.md and docs/protocol/limits.md against the sources.

    messages.py          checks both pages
    messages.py --write  first writes the protobuf forms of the examples into docs/protocol/messages.md

Messages: the numbers of fields are those of common/proto/grandstand.proto, every message is there, and a message has the fields
that common/proto/vectors has for it, which the Rust code writes and is tested with. Limits: keys and defaults are those of the
files in config.
"""

import json
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "clients/conformance"))

from runner import proto  # noqa: E402

PAGE = ROOT / "docs/protocol/messages.md"
SIDES = {"From a client": ("ClientMessage", "client"), "From an edge": ("ServerMessage", "server")}
EXAMPLE = re.compile(r"```json\n(.*?)\n```\n\n```text\n(.*?)\n```", re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \|", re.M)
problems = []


def text_form(name, fields):
    """The fields of a protobuf message as its text form, in one line."""
    parts = []
    for _, (field, kind, label) in sorted(proto.MESSAGES[name].items()):
        value = fields.get(field)
        if value is None or value == [] or (not label and not value and kind not in proto.MESSAGES):
            continue
        for item in value if label == "repeated" else [value]:
            if kind in proto.MESSAGES:
                parts.append(f"{field} {{ {text_form(kind, item)} }}".replace("{  }", "{}"))
            elif kind == "bytes":
                parts.append(f'{field}: "{"".join(escape(byte) for byte in item)}"')
            else:
                parts.append(f"{field}: {json.dumps(item, ensure_ascii=False)}")
    return " ".join(parts)


def escape(byte):
    return {34: '\\"', 92: "\\\\"}.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")


def protobuf(side, message):
    data = proto.encode(side, message)
    return f"{text_form(side, proto.take(side, data))}\n# {data.hex(' ')}"


def keys(message):
    """The fields of a message besides those that all may have; `data` and `data_b64` are two forms of one."""
    return {"data" if key == "data_b64" else key for key in message} - {"type", "id"}


def check_messages(write):
    page = PAGE.read_text()
    for heading, (side, file) in SIDES.items():
        vectors = [vector["means"] for vector in json.loads((ROOT / f"common/proto/vectors/{file}.json").read_text())]
        part = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        sections = dict(re.findall(r"\n### `(\w+)`\n(.*?)(?=\n### |\Z)", part, re.DOTALL))
        kinds = {name: (number, kind) for number, (name, kind, label) in proto.MESSAGES[side].items() if label == "kind"}
        if set(sections) != set(kinds):
            problems.append(f"{heading}: the page and grandstand.proto differ in {set(sections) ^ set(kinds)}")
        for kind, section in sections.items():
            number, message = kinds[kind]
            where = f"{heading}, `{kind}`"
            if f"Number {number} of `kind`" not in section:
                problems.append(f"{where}: does not say that it is number {number} of `kind`")
            numbers = {name: str(at) for at, (name, _, _) in proto.MESSAGES[message].items()}
            if "json" in numbers:
                numbers["data"] = f"{numbers.pop('json')} (`json`), {numbers.pop('binary')} (`binary`)"
            rows = dict(ROW.findall(section))
            if rows != numbers:
                problems.append(f"{where}: the fields are {rows}, in grandstand.proto {numbers}")
            known = set().union(*(keys(vector) for vector in vectors if vector["type"] == kind))
            examples = EXAMPLE.findall(section)
            if not examples:
                problems.append(f"{where}: no example")
            for text, printed in examples:
                example = json.loads(text)
                if example["type"] != kind or keys(example) - known:
                    problems.append(f"{where}: an example has {sorted(keys(example) - known)}, which no vector has")
                wanted = protobuf(side, example)
                if write:
                    page = page.replace(f"{text}\n```\n\n```text\n{printed}\n```", f"{text}\n```\n\n```text\n{wanted}\n```")
                elif printed != wanted:
                    problems.append(f"{where}: in protobuf the example is\n{wanted}")
            if known - set(rows):
                problems.append(f"{where}: the page lacks {sorted(known - set(rows))}")
    if write:
        PAGE.write_text(page)


def check_limits():
    page = (ROOT / "docs/protocol/limits.md").read_text()
    config = tomllib.loads((ROOT / "config/edge.toml").read_text())
    rows = re.findall(r"^\|.*?\| ([\d,]+)(?: [^|]*)? \| `(\w+)\.(\w+)` \|$", page, re.M)
    for value, section, key in rows:
        wanted = config.get(section, {}).get(key)
        if int(value.replace(",", "")) != wanted:
            problems.append(f"limits.md: `{section}.{key}` is {value}, in config/edge.toml {wanted}")
    missing = {f"limits.{key}" for key, value in config["limits"].items() if isinstance(value, int) and not isinstance(value, bool)}
    missing -= {f"{section}.{key}" for _, section, key in rows}
    if missing:
        problems.append(f"limits.md lacks {sorted(missing)}")


def main():
    if "--write" in sys.argv:
        check_messages(write=True)
        problems.clear()
    check_messages(write=False)
    check_limits()
    print("\n".join(problems) or "the messages and the limits are as in the sources")
    sys.exit(1 if problems else 0)


main()
