#!/bin/sh
# Stands between a worker and the SDK server of Agones: Ready once the worker is ready, then Health as long as it is healthy.
worker=${GRANDSTAND_WORKER:-http://127.0.0.1:8082} sdk=http://127.0.0.1:${AGONES_SDK_HTTP_PORT:-9358} pause=${GRANDSTAND_PAUSE_S:-2}
trap 'exit 0' TERM INT

page() { curl -fsS -m 2 -o /dev/null "$worker$1"; }
call() { curl -fsS -m 2 -o /dev/null -H 'Content-Type: application/json' -d '{}' "$sdk$1"; }
# A shell that waits for `sleep` itself does not hear TERM.
rest() { sleep "$pause" & wait $!; }

until page /ready; do rest; done
until call /ready; do rest; done
while true; do
    page /health && call /health
    rest
done
