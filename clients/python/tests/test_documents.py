"""The examples of the README, and the generated file."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from support import Dev, run

from grandstand_client import grandstand_pb2

FOLDER = Path(__file__).resolve().parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)


async def start(dev: Dev, code: str) -> asyncio.subprocess.Process:
    code = code.replace("ws://127.0.0.1:8080", dev.url)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def end(process: asyncio.subprocess.Process) -> str:
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.parametrize("number", [number for number, code in enumerate(EXAMPLES) if "user=robot" not in code])
def test_examples_run(dev: Dev, number: int) -> None:
    async def test() -> None:
        out = await end(await start(dev, EXAMPLES[number]))
        assert "no server" not in out
        assert "Error" not in out

    run(test)


def test_two_bots_play_to_the_end(dev: Dev) -> None:
    async def test() -> None:
        bot = next(code for code in EXAMPLES if "user=robot" in code)
        bot = bot.replace('"memory-7"', '"memory-7", params={"rows": 2, "cols": 2, "hide_ms": 30}')
        playing = [await start(dev, bot.replace("robot", name)) for name in ("marvin", "bender")]
        for process in playing:
            assert "the winners are" in await end(process)

    run(test, 40)


def test_the_generated_file_is_current() -> None:
    proto = (FOLDER.parent.parent / "common/proto/grandstand.proto").read_text()
    written = set(re.findall(r"(\w+) = (\d+);", proto))
    generated = {
        (field.name, str(field.number))
        for message in grandstand_pb2.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
    }
    assert written == generated
