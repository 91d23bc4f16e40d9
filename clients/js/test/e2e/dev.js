// The SDK against `grandstand dev`: the built-in games, tokens, and bad input.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "@grandstand/client";
import { protobuf } from "@grandstand/client/protobuf";
import { WebSocket } from "ws";
import { freePort, sleep, startDev, token, until } from "./processes.js";

const clients = [];

/** Makes a client that is closed at the end. */
function open(options) {
  const client = connect({ WebSocket, ...options });
  clients.push(client);
  return client;
}

async function playMemory(dev, encoding) {
  const url = (user) => `${dev.url}/v1/ws?user=${user}`;
  const params = { rows: 2, cols: 2, hide_ms: 200 };
  const name = `memory-${encoding === "json" ? "js" : "jspb"}`;
  const alice = await open({ url: url("alice"), encoding }).join(name, { params });
  const bob = await open({ url: url("bob"), encoding }).join(name);
  await until(() => alice.presence?.players?.length === 2, "both players");
  const error = await bob.send({ op: "flip", card: 99 }).then(assert.fail, (error) => error);
  assert.equal(error.rejected, true);
  await alice.send({ op: "flip", card: 0 }).catch(() => bob.send({ op: "flip", card: 0 }));
  const viewer = await open({ url: url("carol"), encoding }).join(name, { role: "spectator" });
  assert.equal(viewer.role, "spectator");
  assert.equal(viewer.state.cards.filter((card) => card !== null).length, 1);
  await assert.rejects(viewer.send({}), { code: "forbidden" });
  await assert.rejects(open({ url: url("dave"), encoding }).join(name), { code: "room_full" });
  await alice.leave();
}

async function playPatches(dev) {
  const room = await open({ url: `${dev.url}/v1/ws?user=alice` }).join("arena-js");
  let frames = 0;
  room.on("live", ({ tick }) => (frames += Number.isInteger(tick)));
  room.live({ x: 1, y: 0 });
  await until(() => frames > 10, "frames of a game in real time");
  assert.deepEqual(Object.keys(room.state.scores), ["alice"]);
}

async function restart(dev) {
  const room = await open({ url: `${dev.url}/v1/ws?user=alice`, backoff: { minMs: 100 } }).join("relay-js");
  await room.send("before");
  const restarted = dev.restart("SIGKILL");
  const during = room.send("during");
  await restarted;
  await during;
  assert.equal((await room.send("after")).seq, 3);
}

async function tokens(dev) {
  let asked = 0;
  const getToken = async () => token("erin", "player", asked++ ? 3_600 : 2);
  const client = open({ url: dev.url, getToken });
  const room = await client.join("relay-tokens");
  await sleep(2_500);
  await room.send("with another token");
  assert.ok(asked >= 2 && asked < 6, `asked ${asked} times`);
  const wrong = open({ url: dev.url, token: "no-token" });
  await assert.rejects(wrong.join("relay-1"), { name: "AuthError", code: "unauthenticated" });
  assert.equal(wrong.status.state, "closed");
}

async function badServers() {
  const fails = async (url, expected, diagnosis) => {
    const client = open({ url });
    await assert.rejects(client.join("relay-1", { timeoutMs: 1_500 }), { code: "timeout" });
    assert.equal(client.status.why, expected);
    assert.equal(client.status.error.diagnosis, diagnosis);
    assert.ok(client.status.error.hint, "an error says what to do");
  };
  const serve = async (answer) => {
    let count = 0;
    const server = createServer((_, response) => {
      count++;
      answer(response);
    });
    server.on("upgrade", (_, socket) => {
      count++;
      socket.end(answer());
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `ws://127.0.0.1:${server.address().port}`, close: () => server.close(), count: () => count };
  };
  await fails(`ws://127.0.0.1:${await freePort()}`, "unreachable", undefined);
  const html = "<html>Bad gateway</html>";
  const proxy = await serve((response) =>
    response
      ? response.writeHead(502, { "Content-Type": "text/html" }).end(html)
      : `HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: ${html.length}\r\n\r\n${html}`,
  );
  await fails(proxy.url, "unreachable", "bad_response");
  assert.ok(proxy.count() <= 5, `${proxy.count()} requests in 1.5 s`);
  const portal = await serve((response) =>
    response
      ? response.writeHead(302, { Location: "http://login.example/" }).end()
      : "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n",
  );
  await fails(portal.url, "unreachable", "captive_portal");
  proxy.close();
  portal.close();
}

/** Runs all. */
export async function testDev(program) {
  const dev = await startDev(program, { GRANDSTAND_EDGE_LIMITS_EXEMPT: "127.0.0.1" });
  try {
    await playMemory(dev, "json");
    await playMemory(dev, protobuf);
    await playPatches(dev);
    await tokens(dev);
    await badServers();
    await restart(dev);
    console.log("dev: ok");
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await dev.stop();
  }
}
