"""A stand-in for prometheus-nats-exporter, which no package registry has: nats_exporter.py URL PORT serves /metrics.

It names what /varz, /healthz and /jsz of a real nats-server say as the exporter does with the flags `-varz -healthz -jsz=all
-use_internal_server_name`: each number of /varz by its path (`gnatsd_varz_…`), and a fixed list of names for JetStream, which is
that of the exporter's version of June 2026 (collector/jsz.go and collector/healthz.go of its repository). Only what this project
asks for and its neighbours are here.
"""

import http.server
import json
import sys
import urllib.error
import urllib.request

SERVER = {
    "jetstream_server_total_streams": "streams",
    "jetstream_server_total_consumers": "consumers",
    "jetstream_server_total_messages": "messages",
    "jetstream_server_total_message_bytes": "bytes",
}
STREAM = {
    "jetstream_stream_total_messages": "messages",
    "jetstream_stream_total_bytes": "bytes",
    "jetstream_stream_first_seq": "first_seq",
    "jetstream_stream_last_seq": "last_seq",
    "jetstream_stream_consumer_count": "consumer_count",
}
LIMIT = {"jetstream_stream_limit_bytes": "max_bytes", "jetstream_stream_limit_messages": "max_msgs"}


def fetch(url):
    """A page as JSON; an unhealthy server answers with 503 and a page."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def line(name, labels, value):
    pairs = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
    return f"{name}{{{pairs}}} {float(value)}"


def flat(page, prefix):
    """The numbers of a page, by path."""
    for key, value in page.items():
        name = f"{prefix}_{key}".replace("/", "_").rstrip("_")
        if isinstance(value, dict):
            yield from flat(value, name)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, value


def jetstream(jsz, varz, name, examples):
    meta = jsz.get("meta_cluster", {})
    leader = meta.get("leader", "")
    server = {"server_id": name, "server_name": name, "cluster": meta.get("name", ""), "domain": "", "meta_leader": leader}
    server["is_meta_leader"] = "true" if not meta or leader == varz["server_name"] else "false"
    for metric, key in SERVER.items():
        yield line(metric, server, jsz.get(key, 0))
    yield line("jetstream_server_max_storage", server, jsz.get("config", {}).get("max_storage", 0))
    yield line("jetstream_server_max_memory", server, jsz.get("config", {}).get("max_memory", 0))
    yield line("jetstream_server_jetstream_disabled", server, bool(jsz.get("disabled")))
    for account in jsz.get("account_details", []):
        for stream in account.get("stream_detail", []):
            cluster = stream.get("cluster")
            led = (cluster or {}).get("leader", "")
            labels = {**server, "account": account["name"], "stream_name": stream["name"], "stream_leader": led}
            labels["is_stream_leader"] = "true" if cluster is None or led == varz["server_name"] else "false"
            for metric, key in STREAM.items():
                yield line(metric, labels, stream["state"].get(key, 0))
            for metric, key in LIMIT.items():
                yield line(metric, labels, stream.get("config", {}).get(key, -1))
    for metric in [*STREAM, *LIMIT] if examples else []:
        yield line(metric, server, 0)


def exported(url, examples=False):
    """The metrics of the server with this address. `examples` adds those that it would have if it had streams."""
    try:
        varz = fetch(f"{url}/varz")
    except OSError:
        return line("gnatsd_healthz_status_value", {"server_id": url, "value": "unreachable"}, 0) + "\n"
    name = varz["server_name"]
    health = fetch(f"{url}/healthz").get("status", "error")
    lines = [line(metric, {"server_id": name}, value) for metric, value in flat(varz, "gnatsd_varz")]
    lines.append(line("gnatsd_healthz_status", {"server_id": name}, health != "ok"))
    lines.append(line("gnatsd_healthz_status_value", {"server_id": name, "value": health}, health == "ok"))
    lines += jetstream(fetch(f"{url}/jsz?consumers=true&config=true"), varz, name, examples)
    return "\n".join(dict.fromkeys(lines)) + "\n"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = exported(self.server.nats).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Page)
    server.nats = sys.argv[1]
    server.serve_forever()
