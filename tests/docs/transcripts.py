"""Records the transcripts of docs/protocol/transcripts.md, and checks that the server still speaks them.

    transcripts.py check GRANDSTAND NATS_SERVER          plays every scenario, and compares it with the page
    transcripts.py record GRANDSTAND NATS_SERVER [NAME]  plays them, or one, and writes what was said into the page

A transcript on the page follows a line `<!-- transcript: NAME -->`. Ids, epochs, instances and times differ from one run to the
next. The check replaces each by its place among those of its kind, so two that are equal on the page must be equal again, and two
that differ must differ.
"""

import asyncio
import json
import os
import pathlib
import re
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.append(str(FOLDER.parent / "python"))

from processes import Process  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from servers import Servers  # noqa: E402
from wire import Transcript  # noqa: E402

PAGE = FOLDER.parents[1] / "docs/protocol/transcripts.md"
BLOCK = re.compile(r"<!-- transcript: (\S+) -->\n\n```text\n(.*?)```", re.DOTALL)

# Values that differ from run to run: names, which are compared by their place, and numbers, which are not compared.
NAMES = ("connection", "edge", "instance", "epoch")
NUMBERS = ("time_ms", "retry_after_ms", "reconnect_in_ms", "deadline_ms")


def plain(lines):
    """The lines with names replaced by their places, and with numbers that differ left out."""
    places = {}

    def place(key, value):
        known = places.setdefault(key, [])
        if value not in known:
            known.append(value)
        return f"{key} {known.index(value) + 1}"

    def change(key, value):
        if key in NAMES and isinstance(value, str):
            return place(key, value)
        if key == "token":
            return "…"
        if key in NUMBERS and value is not None:
            assert isinstance(value, int), (key, value)
            return "a number"
        if isinstance(value, dict):
            return {name: change(name, member) for name, member in value.items()}
        return [change("", member) for member in value] if isinstance(value, list) else value

    def line(text):
        start, mark, message = re.match(r"(\S+) (<|>) (.*)|.*", text).groups()
        if start is None or not message.startswith("{"):
            return text
        try:
            message = json.loads(message)
        except ValueError:
            return text
        return f"{start} {mark} {json.dumps(change('', message))}"

    return [line(text) for text in lines]


async def play(names, program, nats_server):
    """Plays the scenarios one after the other. Returns their lines by name."""
    played = {}
    for name in names:
        transcript = Transcript()
        with tempfile.TemporaryDirectory() as folder:
            servers = Servers(program, nats_server, folder)
            try:
                await SCENARIOS[name](transcript, servers)
            except Exception as error:
                raise AssertionError(f"{name}: {error!r} after\n" + "\n".join(transcript.lines)) from error
            finally:
                await servers.end()
        played[name] = [re.sub(r'"token":"[^"]+"', '"token":"…"', line) for line in transcript.lines]
        print(f"played {name}: {len(transcript.lines)} lines", flush=True)
    return played


def record(played):
    page = PAGE.read_text()
    for name, lines in played.items():
        text = "\n".join(lines)
        page, count = re.subn(
            rf"(<!-- transcript: {name} -->\n\n```text\n).*?```", lambda found: f"{found[1]}{text}\n```", page, flags=re.DOTALL
        )
        assert count == 1, f"{PAGE} has {count} places for {name}"
    PAGE.write_text(page)


def check(played, printed):
    wrong = 0
    for name, lines in played.items():
        said, wanted = plain(lines), plain(printed[name].splitlines())
        if said != wanted:
            wrong += 1
            at = next((i for i, (a, b) in enumerate(zip(said, wanted)) if a != b), min(len(said), len(wanted)))
            line = lambda of: of[at] if at < len(of) else "the end"
            print(f"{name}, line {at + 1}:\n  the page says   {line(wanted)}\n  the server says {line(said)}")
    return wrong


def main():
    how, program, nats_server, *names = sys.argv[1:]
    printed = dict(BLOCK.findall(PAGE.read_text()))
    if how == "check":
        assert sorted(printed) == sorted(SCENARIOS), set(printed) ^ set(SCENARIOS)
    try:
        played = asyncio.run(play(names or list(SCENARIOS), os.path.abspath(program), nats_server))
    finally:
        Process.end_all()
    if how == "record":
        return record(played)
    wrong = check(played, printed)
    print(f"{len(played) - wrong} transcripts are as printed, {wrong} are not")
    sys.exit(1 if wrong else 0)


main()
