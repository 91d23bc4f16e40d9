"""The script between a worker and the SDK server of Agones, with stand-ins of both."""

import http.server
import subprocess
import threading
import time

from manifests import FOLDER, need

DEADLINE_S = 30


def served(pages, calls):
    """A server that answers with the status in `pages`, else 404, and writes down each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status = pages.get((self.command, self.path), 404)
            if self.command == "POST":
                self.rfile.read(int(self.headers["Content-Length"]))
                calls.append((self.path, status))
            self.send_response(status)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def until(ask, what):
    deadline = time.monotonic() + DEADLINE_S
    while not ask():
        need(time.monotonic() < deadline, f"overlays/agones/bridge.sh: {what} within {DEADLINE_S} s")
        time.sleep(0.02)


def check():
    calls, worker_pages = [], {("GET", "/ready"): 503, ("GET", "/health"): 200}
    sdk_pages = {("POST", "/ready"): 500, ("POST", "/health"): 200}
    worker, sdk = served(worker_pages, []), served(sdk_pages, calls)
    values = {
        "PATH": "/usr/bin:/bin", "GRANDSTAND_WORKER": f"http://127.0.0.1:{worker.server_port}",
        "AGONES_SDK_HTTP_PORT": str(sdk.server_port), "GRANDSTAND_PAUSE_S": "0.05",
    }  # fmt: skip
    process = subprocess.Popen(["sh", FOLDER / "overlays/agones/bridge.sh"], env=values, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        need(not calls, f"overlays/agones/bridge.sh: calls {calls} before the worker is ready")
        worker_pages["GET", "/ready"] = 200
        until(lambda: ("/ready", 500) in calls, "no Ready")
        need({path for path, _ in calls} == {"/ready"}, f"overlays/agones/bridge.sh: {calls} before Agones took Ready")
        sdk_pages["POST", "/ready"] = 200
        until(lambda: ("/health", 200) in calls, "no Health")
        need(calls.count(("/ready", 200)) == 1, "overlays/agones/bridge.sh: Ready is called again")
        worker_pages["GET", "/health"] = 503
        time.sleep(0.3)
        seen = len(calls)
        time.sleep(0.3)
        need(len(calls) == seen, "overlays/agones/bridge.sh: Health of a worker that is not healthy")
        worker_pages["GET", "/health"] = 200
        until(lambda: len(calls) > seen, "no Health again")
        process.terminate()
        need(process.wait(10) == 0, f"overlays/agones/bridge.sh: ends with {process.returncode} after TERM")
    finally:
        process.kill()
        process.wait(10)
        worker.shutdown()
        sdk.shutdown()
