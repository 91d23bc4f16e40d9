"""Connections that write down what is said on them."""

import asyncio
import json

import websockets

WAIT_S = 20


class Transcript:
    """The lines of one conversation, in the order in which a reader sees them."""

    def __init__(self):
        self.lines = []

    def happens(self, what):
        self.lines.append(f"-- {what}")

    async def connect(self, name, url, query="", keeps_presence=False):
        return await Wire(self, name, keeps_presence).open(url, query)


class Wire:
    """One WebSocket. Messages that the scenario does not read are not written down; `presence` only if it is asked for."""

    def __init__(self, transcript, name, keeps_presence):
        self.transcript, self.name, self.keeps_presence = transcript, name, keeps_presence

    async def open(self, url, query):
        self.happens(f"connects to /v1/ws{query.split('token=')[0]}{'token=…' if 'token=' in query else ''}")
        self.socket = await websockets.connect(f"{url}/v1/ws{query}", subprotocols=["grandstand.v1.json"], proxy=None)
        return self

    def write(self, mark, text):
        self.transcript.lines.append(f"{self.name} {mark} {text}")

    def happens(self, what):
        self.transcript.happens(f"{self.name} {what}")

    async def say(self, message):
        text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        self.write(">", text)
        await self.socket.send(text)

    async def hear(self, kind):
        """Reads up to the next message of a kind, and writes down all. Returns this message."""
        while True:
            text = await asyncio.wait_for(self.socket.recv(), WAIT_S)
            message = json.loads(text)
            if message["type"] != "presence" or self.keeps_presence:
                self.write("<", text)
            if message["type"] == kind:
                return message

    async def silent(self):
        """Shows with a ping that nothing more is on its way."""
        await self.say({"type": "ping", "id": 99})
        await self.hear("pong")

    async def closed(self):
        """Reads to the end, and writes down the close code."""
        try:
            while True:
                text = await asyncio.wait_for(self.socket.recv(), WAIT_S)
                if json.loads(text)["type"] != "presence" or self.keeps_presence:
                    self.write("<", text)
        except websockets.ConnectionClosed:
            self.happens(f"is closed by the server with {self.socket.close_code}")

    async def cut(self, why="loses the connection"):
        self.socket.transport.abort()
        await self.socket.wait_closed()
        self.happens(why)

    async def close(self):
        await self.socket.close()
        self.happens("closes the connection with 1000")
