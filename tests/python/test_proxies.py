"""Players behind real proxies: they play, stay idle, vanish, and the edge knows their addresses.

    test_proxies.py GRANDSTAND PROXY…      some of: haproxy, nginx, envoy, traefik

Clients connect from 127.0.0.2 and 127.0.0.3, proxies from 127.0.0.1, so that the log shows whose address the edge takes.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

from peer import Peer, Room, rule

HEARTBEAT_MS = 1000
WAIT_S = 20


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Process:
    """A process with its log, stopped at the end."""

    def __init__(self, name, arguments, folder, environment=None):
        self.name, self.log = name, os.path.join(folder, f"{name}.log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                arguments, stdout=log, stderr=log, cwd=folder, env={**os.environ, **(environment or {})}
            )

    def text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def wait_for(self, ready, what):
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            found = ready()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{self.name}: waited for {what}; its log ends with:\n{self.text()[-2000:]}")

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()


def leads_to_edge(port):
    """Whether the edge's page comes through a proxy. A proxy may accept before it knows its routes."""
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).status == 200


class Edge(Process):
    """`grandstand dev` whose edge trusts proxies at 127.0.0.1."""

    def __init__(self, program, folder, name, **options):
        self.port, self.admin = free_port(), free_port()
        environment = {
            "GRANDSTAND_EDGE_PROXY_NETWORKS": "127.0.0.1",
            "GRANDSTAND_EDGE_EDGE_HEARTBEAT_MS": str(HEARTBEAT_MS),
            **{f"GRANDSTAND_EDGE_PROXY_{key.upper()}": value for key, value in options.items()},
        }
        listen = ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}"]
        super().__init__(name, [program, "dev", *listen, "--log", "grandstand_edge=debug,info"], folder, environment)
        self.wait_for(lambda: "connections" in self.metrics(), "its admin port")

    def metrics(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5).read().decode()
        return ""

    def connections(self):
        return int(re.search(r"^grandstand_edge_connections (\d+)", self.metrics(), re.M).group(1))

    def address_of(self, player):
        line = re.compile(rf"client connected.*?peer=\"?([0-9.]+):\d+.*?player=\"?{player}\b")
        plain = lambda: re.sub(r"\x1b\[[0-9;]*m", "", self.text())
        return self.wait_for(lambda: line.search(plain()), f"the log line of {player}").group(1)


def haproxy(folder, port, edge, plan):
    mode = {
        "v1": f"mode tcp\n server edge 127.0.0.1:{edge.port} send-proxy check",
        "v2": f"mode tcp\n server edge 127.0.0.1:{edge.port} send-proxy-v2 check inter 200",
        "header": f"mode http\n option forwardfor\n server edge 127.0.0.1:{edge.port}",
    }[plan]
    front = "http" if plan == "header" else "tcp"
    path = write(folder, "haproxy.cfg", f"""
global
 maxconn 100
defaults
 timeout connect 5s
 timeout client 60s
 timeout server 60s
 timeout tunnel 60s
frontend clients
 mode {front}
 bind 127.0.0.1:{port}
 default_backend edges
backend edges
 {mode}
""")
    return Process(f"haproxy-{plan}", ["haproxy", "-db", "-f", path], folder)


def nginx(folder, port, edge, plan):
    if plan == "header":
        body = f"""
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{edge.port};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_read_timeout 60s;
    }}
  }}
}}"""
    else:
        body = f"stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{edge.port}; proxy_protocol on; }} }}"
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    load = f"load_module {module};" if plan != "header" and os.path.exists(module) else ""
    path = write(folder, "nginx.conf", f"{load}\ndaemon off; pid nginx.pid; error_log stderr;\nevents {{}}\n{body}")
    return Process(f"nginx-{plan}", ["nginx", "-p", folder, "-c", path], folder)


def envoy(folder, port, edge, plan):
    upstream = ""
    if plan == "header":
        network = f"""
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          use_remote_address: true
          upgrade_configs: [{{upgrade_type: websocket}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: edges, timeout: 0s}}}}]"""
    else:
        network = """
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: clients
          cluster: edges"""
        upstream = f"""
    transport_socket:
      name: envoy.transport_sockets.upstream_proxy_protocol
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        config: {{version: {plan.upper()}}}
        transport_socket:
          name: envoy.transport_sockets.raw_buffer
          typed_config: {{"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}"""
    path = write(folder, "envoy.yaml", f"""
static_resources:
  listeners:
  - name: clients
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:{network}
  clusters:
  - name: edges
    type: STATIC
    load_assignment:
      cluster_name: edges
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {edge.port}}}}}}}}}]}}]{upstream}
""")
    return Process(f"envoy-{plan}", [tool("envoy"), "-c", path, "--use-dynamic-base-id", "-l", "warning"], folder)


def traefik(folder, port, edge, plan):
    if plan == "header":
        routes = f"""
http:
  routers: {{all: {{rule: "PathPrefix(`/`)", service: edges}}}}
  services: {{edges: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{edge.port}"}}]}}}}}}"""
    else:
        version = plan[1:]
        routes = f"""
tcp:
  routers: {{all: {{rule: "HostSNI(`*`)", service: edges}}}}
  services: {{edges: {{loadBalancer: {{proxyProtocol: {{version: {version}}}, servers: [{{address: "127.0.0.1:{edge.port}"}}]}}}}}}"""
    write(folder, "routes.yaml", routes)
    path = write(folder, "traefik.yaml", f"""
entryPoints: {{clients: {{address: "127.0.0.1:{port}"}}}}
providers: {{file: {{filename: {os.path.join(folder, "routes.yaml")}}}}}
log: {{level: WARN}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
""")
    return Process(f"traefik-{plan}", [tool("traefik"), f"--configFile={path}"], folder)


PROXIES = {"haproxy": haproxy, "nginx": nginx, "envoy": envoy, "traefik": traefik}
PLANS = {"haproxy": ["v1", "v2", "header"], "nginx": ["v1", "header"], "envoy": ["v1", "v2", "header"], "traefik": ["v1", "v2", "header"]}


def tool(name):
    """A program beside this Python, or in the path."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return beside if os.path.exists(beside) else shutil.which(name) or name


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


async def connect(player, address, port):
    raw = socket.create_connection(("127.0.0.1", port), WAIT_S, source_address=(address, 0))
    raw.setblocking(False)
    # Only the edge's pings keep the connection open.
    url = f"ws://127.0.0.1:{port}/v1/ws"
    return await (await Peer.connect(player, url, sock=raw, ping_interval=None)).welcomed()


async def play(port, edge):
    name = f"relay-{secrets.token_hex(4)}"
    players = [f"{who}{secrets.token_hex(3)}" for who in ("ann", "bob")]
    ann, bob = [await connect(player, f"127.0.0.{last}", port) for player, last in zip(players, (2, 3))]
    for peer in (ann, bob):
        await peer.join(name)
    await ann.input(name, {"n": 1})
    await bob.until(lambda: bob.rooms[name].updates > 0, "the update of an input")
    for player, last in zip(players, (2, 3)):
        address = edge.address_of(player)
        rule(address == f"127.0.0.{last}", "the edge knows the client's address", player, address)
    # Idle for several heartbeats.
    await asyncio.sleep(HEARTBEAT_MS * 3.5 / 1000)
    await bob.input(name, {"n": 2})
    await ann.until(lambda: ann.rooms[name].updates > 1, "the update after an idle time")
    # One vanishes with a reset, the other goes on.
    raw = bob.socket.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bob.socket.transport.abort()
    until = time.monotonic() + WAIT_S
    while edge.connections() != 1:
        rule(time.monotonic() < until, "the edge notices that a client is gone", edge.connections())
        await asyncio.sleep(0.05)
    await ann.input(name, {"n": 3})
    await ann.until(lambda: ann.rooms[name].acked >= 2, "the ack after the other has left")
    await ann.socket.close()
    while edge.connections() != 0:
        rule(time.monotonic() < until, "the edge notices a clean end", edge.connections())
        await asyncio.sleep(0.05)


def main():
    program, *names = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        edges = [
            Edge(program, folder, "edge-protocol", protocol="true"),
            Edge(program, folder, "edge-header", forwarded="x-forwarded-for"),
        ]
        try:
            for name in names:
                for plan in PLANS[name]:
                    edge = edges[plan == "header"]
                    port = free_port()
                    proxy = PROXIES[name](folder, port, edge, plan)
                    try:
                        proxy.wait_for(lambda: leads_to_edge(port), "the edge's page")
                        asyncio.run(play(port, edge))
                        print(f"{name} {plan}: upgrade, play, idle, reset, address: ok", flush=True)
                    finally:
                        proxy.stop()
            # HAProxy's health checks connect and leave, or name themselves.
            rule("proxy_refused_total{" not in edges[0].metrics(), "no probe counts as an error", edges[0].metrics())
            with socket.create_connection(("127.0.0.1", edges[0].port), WAIT_S) as bare:
                bare.sendall(b"GET /v1/ws HTTP/1.1\r\n\r\n")
                bare.settimeout(WAIT_S)
                with contextlib.suppress(ConnectionResetError):
                    rule(bare.recv(100) == b"", "a connection without a header is closed")
            counted = 'proxy_refused_total{reason="missing"} 1'
            edges[0].wait_for(lambda: counted in edges[0].metrics(), counted)
        finally:
            for edge in edges:
                edge.stop()
    print("passed")


main()
