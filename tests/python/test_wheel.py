"""The wheel with the program: installs it into a fresh environment, in which nothing else is, and plays with what it installs.

    test_wheel.py WHEEL [MOST_BYTES]
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import venv
import zipfile

import websockets

from processes import Process, free_port


async def play(port):
    """Joins a room and sends an input. Returns the data of its update."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/v1/ws?user=alice", proxy=None) as client:
        await client.send(json.dumps({"type": "join", "room": "relay-1"}))
        sent = False
        async for text in client:
            message = json.loads(text)
            if message["type"] == "joined" and not sent:
                await client.send(json.dumps({"type": "input", "room": "relay-1", "seq": 1, "data": "hello"}))
                sent = True
            if message["type"] == "update":
                return message["data"]


async def serve(program, folder):
    """Starts `dev` as a newcomer does, but on free ports, opens its page, and plays."""
    port = free_port()
    dev = Process("dev", [program, "dev", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"], folder)
    try:
        await dev.until(lambda: "http://" in dev.tail(), "the links that dev prints")
        page = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/", timeout=5)
        assert page.status == 200 and b"<!doctype html>" in page.read().lower()
        data = await asyncio.wait_for(play(port), 20)
        assert data == {"from": "alice", "data": "hello"}, data
        dev.process.terminate()
        await dev.ended(dev.process)
    finally:
        Process.end_all()


def check_files(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
    scripts = [name for name in names if ".data/scripts/" in name]
    assert [os.path.basename(name) for name in scripts] == ["grandstand"], names


def check_size(wheel, most):
    size = os.path.getsize(wheel)
    print(f"{os.path.basename(wheel)}: {size / 1e6:.1f} MB")
    assert size < most, f"the wheel has {size} bytes, more than {most}; see [tool.maturin] in cli/pyproject.toml"


def main(wheel, most=None):
    check_files(wheel)
    if most is not None:
        check_size(wheel, int(most))
    with tempfile.TemporaryDirectory() as folder:
        home = os.path.join(folder, "env")
        venv.create(home, with_pip=True)
        install = [os.path.join(home, "bin", "pip"), "install", "-q", "--no-index", "--disable-pip-version-check", wheel]
        subprocess.run(install, check=True, timeout=120)
        asyncio.run(serve(os.path.join(home, "bin", "grandstand"), folder))
    print("the wheel installs and serves")


main(*sys.argv[1:])
