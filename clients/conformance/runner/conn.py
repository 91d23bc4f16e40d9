"""One connection of the scripted server. It does only what the script says, and may stop to follow any rule."""

import asyncio
import json
import time
import urllib.parse
from collections import deque

from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from . import proto

SUBPROTOCOLS = {"json": "grandstand.v1.json", "proto": "grandstand.v1.proto"}
MAX_HEAD = 64 * 1024


class Conn:
    """A TCP connection that a client has opened."""

    def __init__(self, case, number, reader, writer):
        self.case, self.number, self.reader, self.writer = case, number, reader, writer
        self.name = str(number)
        self.arrived = self.sent_at = time.monotonic()
        self.ended = None  # when the runner ended it, or noticed its end
        self.inbox = deque()  # when it came, and message, which the script has not looked at
        self.protocol = None
        self.encoding = "json"
        self.token = None
        self.query = {}
        self.headers = {}
        self.offered = []
        self.auto_pong = True
        self.stalled = self.lingers = False
        self.is_over = False  # the client is gone
        self.close_code = None  # of the client's close frame
        self.pongs = 0
        self.task = None

    # The handshake

    async def read_request(self):
        """Reads the head of the request. Returns whether there is one."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = await self.reader.read(4096)
            head += piece
            if not piece or len(head) > MAX_HEAD:
                return False
        line, *rest = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        for header in rest:
            name, _, value = header.partition(":")
            name = name.strip().lower()
            self.headers[name] = f"{self.headers[name]}, {value.strip()}" if name in self.headers else value.strip()
        target = line.split(" ")[1] if line.count(" ") >= 2 else ""
        url = urllib.parse.urlsplit(target)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.case.log(f"conn {self.name}", "<", line)
        if url.path != "/v1/ws":
            self.case.violation(f"the path is {url.path}, not /v1/ws")
        self.offered = [part.strip() for part in self.headers.get("sec-websocket-protocol", "").split(",") if part.strip()]
        bearer = [offer.removeprefix("bearer.") for offer in self.offered if offer.startswith("bearer.")]
        header = self.headers.get("authorization", "").removeprefix("Bearer ")
        tokens = {*bearer, header, self.query.get("token", ""), self.query.get("access_token", "")} - {""}
        if len(tokens) > 1:
            self.case.violation(f"one handshake has several tokens: {sorted(tokens)}")
        self.token = tokens.pop() if tokens else None
        self.head = head
        return True

    def upgrade(self, encoding):
        """Accepts the WebSocket."""
        self.encoding = encoding
        wanted = SUBPROTOCOLS[encoding]
        if wanted not in self.offered:
            self.case.violation(f"the subprotocol {wanted} is not offered, but {self.offered}")
        self.protocol = ServerProtocol(subprotocols=[wanted], max_size=None)
        self.protocol.receive_data(self.head)
        requests = self.protocol.events_received()
        if not requests:
            self.case.violation("the handshake is malformed")
            return self.drop()
        try:
            response = self.protocol.accept(requests[0])
        except InvalidHandshake as error:
            self.case.violation(f"the handshake is invalid: {error}")
            return self.drop()
        self.protocol.send_response(response)
        if response.status_code != 101:
            self.case.violation(f"the handshake is invalid: {response.body!r}")
        self.flush()
        self.task = asyncio.ensure_future(self.read())

    async def refuse(self, status, headers, body, raw=None):
        """Answers the request over HTTP, or with something else, and closes."""
        reason = {200: "OK", 302: "Found", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}
        lines = [f"HTTP/1.1 {status} {reason.get(status, 'Bad Gateway')}"]
        body = body.encode()
        headers = {"Content-Length": len(body), "Connection": "close", "Content-Type": "text/html", **headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.end()
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body if raw is None else raw.encode())
        self.case.log(f"conn {self.name}", ">", lines[0])
        try:
            await self.writer.drain()
            self.writer.close()
        except OSError:
            pass

    # Reading

    async def read(self):
        """Reads frames until the client is gone."""
        parts, is_text = [], True
        try:
            while True:
                data = await self.reader.read(65536)
                if self.stalled:
                    await asyncio.sleep(3600)
                if data:
                    self.protocol.receive_data(data)
                else:
                    self.protocol.receive_eof()
                for frame in self.protocol.events_received():
                    if isinstance(frame, Frame):
                        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                            parts, is_text = [], frame.opcode is Opcode.TEXT
                        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                            parts.append(bytes(frame.data))
                            if frame.fin:
                                self.on_message(b"".join(parts), is_text)
                        elif frame.opcode is Opcode.PONG:
                            self.pongs += 1
                        elif frame.opcode is Opcode.CLOSE:
                            self.close_code = int.from_bytes(frame.data[:2], "big") or 1005
                            self.case.log(f"conn {self.name}", "<", f"close {self.close_code}")
                self.flush()
                if self.protocol.parser_exc and not isinstance(self.protocol.parser_exc, EOFError):
                    self.case.violation(f"conn {self.name}: the client broke RFC 6455: {self.protocol.parser_exc!r}")
                if not data:
                    break
                if self.close_code is not None and not self.lingers:
                    self.writer.close()
                self.case.pulse()
        except OSError:
            pass
        finally:
            if not self.is_over:
                self.is_over = True
                self.end()
                self.case.log(f"conn {self.name}", "<", "end of the connection")
            self.writer.close()
            self.case.pulse()

    def on_message(self, payload, is_text):
        if is_text != (self.encoding == "json"):
            return self.case.violation(f"conn {self.name}: a frame of the wrong kind for {self.encoding}")
        try:
            message = json.loads(payload) if is_text else proto.decode("ClientMessage", payload)
        except ValueError as error:
            return self.case.violation(f"conn {self.name}: not a message: {payload[:200]!r}: {error}")
        self.case.log(f"conn {self.name}", "<", message)
        if self.ended is not None:
            return None  # it was under way when the server closed
        self.case.rules.on_client(self, message, payload)
        if isinstance(message, dict) and message.get("type") == "ping" and self.auto_pong:
            pong = {"type": "pong", "time_ms": int(time.time() * 1000)}
            if "id" in message:
                pong["id"] = message["id"]
            return self.send([pong])
        self.inbox.append((time.monotonic(), message))
        self.case.pulse()

    # Writing

    def send(self, messages):
        """Sends messages, all in one write."""
        for message in messages:
            self.case.log(f"conn {self.name}", ">", message)
            self.case.rules.on_server(self, message)
            if self.encoding == "json":
                self.protocol.send_text(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())
            else:
                self.protocol.send_binary(proto.encode("ServerMessage", message))
        self.sent_at = time.monotonic()
        self.flush()

    def send_raw(self, text=None, hex=None, fragments=1):
        """Sends a text or bytes as they are."""
        self.case.log(f"conn {self.name}", ">", f"raw {text if hex is None else hex!r}")
        data = text.encode() if hex is None else bytes.fromhex(hex)
        send = self.protocol.send_text if hex is None else self.protocol.send_binary
        size = -(-len(data) // fragments) or 1
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for index, piece in enumerate(pieces):
            (send if index == 0 else self.protocol.send_continuation)(piece, fin=index == len(pieces) - 1)
        self.flush()

    def ping(self):
        self.protocol.send_ping(b"conformance")
        self.flush()

    def flush(self):
        if self.stalled:
            return
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)
            elif self.writer.can_write_eof() and not self.lingers:
                try:
                    self.writer.write_eof()
                except OSError:
                    pass

    # The end

    def close(self, code, reason=""):
        self.end()
        self.case.rules.on_close(code)
        self.case.log(f"conn {self.name}", ">", f"close {code} {reason}")
        if self.protocol.state.name == "OPEN":
            self.protocol.send_close(code, reason)
            self.flush()

    def drop(self):
        """Ends the TCP connection without a close frame."""
        self.end()
        self.case.log(f"conn {self.name}", ">", "drop")
        self.is_over = True
        self.writer.transport.abort()

    def finish(self):
        """Ends the TCP connection in good order, but without a close frame."""
        self.end()
        self.case.log(f"conn {self.name}", ">", "end without a close frame")
        self.writer.write_eof()

    def stall(self):
        """From now on nothing is read, answered or sent, as if the network were gone."""
        self.case.log(f"conn {self.name}", ">", "stall")
        self.stalled = True
        self.end()
        self.writer.transport.pause_reading()

    def end(self):
        if self.ended is None:
            self.ended = time.monotonic()
            self.case.last_end = self.ended

    def abandon(self):
        """Ends everything at the end of a case."""
        if self.task:
            self.task.cancel()
        self.writer.transport.abort()

    @property
    def is_open(self):
        return self.protocol is not None and not self.is_over and self.ended is None
