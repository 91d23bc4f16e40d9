"""Tokens that PyJWT signs: all algorithms, key sets over HTTPS, keys that come and go, and forgeries.

    test_tokens.py GRANDSTAND
"""

import asyncio
import base64
import contextlib
import datetime
import hashlib
import hmac
import http.server
import ipaddress
import json
import os
import ssl
import sys
import tempfile
import threading
import time
import urllib.request

import jwt
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from peer import rule
from test_proxies import Process, free_port

SECRET, PREVIOUS = "a secret that is 32 bytes or more", "another secret, 32 bytes or more.."
WAIT_S = 20


def pem(key):
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key, algorithm, kid):
    kind = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm, "ES384": jwt.algorithms.ECAlgorithm,
            "EdDSA": jwt.algorithms.OKPAlgorithm}[algorithm]
    return {**kind.to_jwk(key.public_key(), as_dict=True), "alg": algorithm, "use": "sig", "kid": kid}


class KeySet:
    """A key set over HTTPS with a certificate of its own."""

    def __init__(self, folder):
        self.answer, self.requests = (200, b"", "application/json"), 0
        self.authority = os.path.join(folder, "authority.pem")
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keys")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(private, hashes.SHA256())
        )
        with open(self.authority, "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
        chain = os.path.join(folder, "server.pem")
        with open(chain, "wb") as file:
            kind = serialization.PrivateFormat.PKCS8
            file.write(private.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.requests += 1
                status, body, kind = owner.answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/.well-known/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, *keys):
        self.answer = (200, json.dumps({"keys": keys}).encode(), "application/json")


class Edge(Process):
    def __init__(self, program, folder, name, **auth):
        self.port, self.admin = free_port(), free_port()
        environment = {f"GRANDSTAND_EDGE_AUTH_{key.upper()}": str(value) for key, value in auth.items()}
        listen = ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}", "--secret", SECRET]
        super().__init__(name, [program, "dev", *listen], folder, environment)
        self.wait_for(self.is_ready, "the edge")

    def is_ready(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/ready", timeout=5).status == 200
        return False

    async def first(self, token):
        """The first message to a client with this token, and the close code if the edge closes."""
        url = f"ws://127.0.0.1:{self.port}/v1/ws?token={token}"
        async with websockets.connect(url, proxy=None) as socket:
            message = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
            if message["type"] == "welcome":
                return message, None
            with contextlib.suppress(websockets.ConnectionClosed):
                await asyncio.wait_for(socket.recv(), WAIT_S)
            return message, socket.close_code

    async def accepts(self, token, what):
        message, _ = await self.first(token)
        rule(message["type"] == "welcome", f"{what}: accepted", message)

    async def refuses(self, token, what, words=""):
        message, code = await self.first(token)
        rule((message["type"], message.get("code"), code) == ("error", "unauthenticated", 4001), f"{what}: refused", message, code)
        rule(words in message["message"], f"{what}: says {words!r}", message)


def claims(**more):
    return {"sub": "alice", "exp": int(time.time()) + 600, "rooms": {"relay-*": "player"}, **more}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header, key=b""):
    """A token with this header and an HMAC under `key`."""
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{text}.{b64(hmac.new(key, text.encode(), hashlib.sha256).digest()) if key else ''}"


async def configured_keys(program, folder):
    keys = {
        "RS256": rsa.generate_private_key(65537, 2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    files = []
    for algorithm, key in keys.items():
        files.append(os.path.join(folder, f"{algorithm}.pem"))
        with open(files[-1], "wb") as file:
            file.write(pem(key))
    edge = Edge(program, folder, "configured", previous_secret=PREVIOUS, public_key_files=",".join(files))
    try:
        for algorithm, key in {**keys, "HS256": SECRET}.items():
            await edge.accepts(jwt.encode(claims(), key, algorithm), algorithm)
            await edge.accepts(jwt.encode(claims(), key, algorithm, headers={"kid": "any"}), f"{algorithm} with a kid")
            await edge.refuses(jwt.encode(claims(exp=1), key, algorithm), f"{algorithm}, expired", "expired")
            await edge.refuses(jwt.encode(claims(nbf=2**33), key, algorithm), f"{algorithm}, early", "not valid yet")
            await edge.refuses(jwt.encode(claims(aud="x"), key, algorithm), f"{algorithm}, another service's", "aud")
        await edge.accepts(jwt.encode(claims(), PREVIOUS, "HS256"), "the previous secret")
        await edge.refuses(jwt.encode(claims(), "x" * 32, "HS256"), "another secret", "signature")
        await edge.refuses(jwt.encode(claims(), None, "none"), "alg none", "must be signed with")
        await edge.refuses(jwt.encode(claims(), SECRET, "HS512"), "another algorithm", "must be signed with")
        await edge.refuses(jwt.encode(claims(), keys["RS256"], "PS256"), "another algorithm", "must be signed with")
        for algorithm, key in keys.items():
            await edge.refuses(forged({"alg": "HS256"}, pem(key)), f"the key of {algorithm} as a secret", "signature")
        await edge.refuses(forged({"alg": "HS256", "crit": ["b64"], "b64": True}, SECRET.encode()), "crit", "crit")
    finally:
        edge.stop()


async def key_set(program, folder):
    old, new = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    signed = lambda key, algorithm, kid: jwt.encode(claims(), key, algorithm, headers={"kid": kid})
    issuer = KeySet(folder)
    issuer.serve(jwk(old, "RS256", "old"))
    edge = Edge(program, folder, "key-set", jwks=issuer.url, jwks_ca_file=issuer.authority, jwks_min_refresh_s=1, jwks_refresh_s=3600)
    try:
        await edge.accepts(signed(old, "RS256", "old"), "a key of the set")
        await edge.accepts(jwt.encode(claims(), old, "RS256"), "the only key for its algorithm")
        await edge.refuses(forged({"alg": "HS256", "kid": "old"}, pem(old)), "confusion", "RS256")
        await asyncio.sleep(1)
        issuer.serve(jwk(old, "RS256", "old"), jwk(new, "ES256", "new"))
        await edge.accepts(signed(new, "ES256", "new"), "a new key, as soon as the set has it")
        await edge.accepts(signed(old, "RS256", "old"), "the old key")
        requests = issuer.requests
        for _ in range(20):
            await edge.refuses(signed(new, "ES256", "unknown"), "an unknown key", "kid")
        rule(issuer.requests - requests <= 20, "unknown keys do not cause floods", issuer.requests - requests)
        for answer, words in [
            ((200, b"<!DOCTYPE html><title>Log in</title>", "text/html"), "it is HTML, not a JWKS"),
            ((500, b"oops", "text/plain"), "500"),
            ((200, b"", "text/plain"), "it is not a JWKS"),
        ]:
            issuer.answer = answer
            await asyncio.sleep(1)
            await edge.refuses(signed(new, "ES256", "unknown"), "an unknown key", "kid")
            edge.wait_for(lambda: words in edge.text(), f"a line with {words!r}")
            await edge.accepts(signed(new, "ES256", "new"), f"keys stay: {words}")
        issuer.serve(jwk(new, "ES256", "new"))
        await asyncio.sleep(1)
        await edge.refuses(signed(new, "ES256", "unknown"), "an unknown key", "kid")
        await edge.refuses(signed(old, "RS256", "old"), "a removed key", "kid")
        issuer.server.shutdown()
        issuer.server.server_close()
        await asyncio.sleep(1)
        await edge.refuses(signed(new, "ES256", "unknown"), "an unknown key", "kid")
        edge.wait_for(lambda: "cannot connect" in edge.text(), "a line that the source is away")
        await edge.accepts(signed(new, "ES256", "new"), "keys stay while the source is away")
    finally:
        edge.stop()


async def main(program):
    with tempfile.TemporaryDirectory() as folder:
        for test in (configured_keys, key_set):
            await test(program, folder)
            print(f"{test.__name__}: passed")


if __name__ == "__main__":
    asyncio.run(main(os.path.abspath(sys.argv[1])))
