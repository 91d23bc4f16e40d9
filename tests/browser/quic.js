// A browser plays over WebTransport, without any code of ours but this.
//
//   node quic.js https://127.0.0.1:8443/v1/wt certificate.pem
//
// Needs a running `grandstand dev` with QUIC and Chromium (from CHROMIUM, or one of the usual paths).

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { launch } from "./chromium.js";

const [address = "https://127.0.0.1:8443/v1/wt", certificate = "play.pem"] = process.argv.slice(2);
const hash = createHash("sha256").update(new X509Certificate(readFileSync(certificate)).raw).digest();
const room = `relay-${Math.random().toString(36).slice(2, 8)}`;

// A page of another origin, in a context that browsers take for secure.
const pages = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html>"));
await new Promise((listening) => pages.listen(0, "127.0.0.1", listening));
const browser = await launch({ quic: true });
try {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => {
    console.error("uncaught error in the page:", error);
    process.exitCode = 1;
  });
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  const told = await page.evaluate(play, { address, hash: [...hash], room });
  assert.deepEqual(told.updates, [1, 2, 3].map((n) => ({ from: "alice", data: { n } })), "bob sees alice's inputs in order");
  assert.equal(told.acked, 3, "all inputs are acked");
  assert.equal(told.large, 60_000, "a large message passes");
  const live = { data: { cursor: [1, 2] }, datagram: true, numbered: true };
  assert.deepEqual(told.live, live, "a live message arrives as a datagram");
  assert.equal(told.closed.closeCode, 4009, "the session tells why it was closed");
  assert.equal(told.closed.reason, "replaced");
  assert.deepEqual(told.refused, ["unauthenticated", 4001], "a client without a token is refused");
  assert.ok(told.notFound, "another path is refused");
  console.log("browser over WebTransport: ok");
} finally {
  await browser.close();
  pages.close();
}

/** Runs in the page. */
async function play({ address, hash, room }) {
  const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(hash) }] };

  class Client {
    messages = [];
    waiting = [];

    static async connect(query) {
      const client = new Client();
      client.session = new WebTransport(`${address}?${query}`, options);
      await client.session.ready;
      client.stream = await client.session.createBidirectionalStream();
      client.writer = client.stream.writable.getWriter();
      client.read().catch(() => {});
      client.receive().catch(() => {});
      await client.next((m) => m.type === "welcome" || m.type === "error");
      return client;
    }

    async send(message) {
      const payload = new TextEncoder().encode(JSON.stringify(message));
      const header = payload.length < 126 ? [0x81, payload.length] : [0x81, 126, payload.length >> 8, payload.length & 255];
      await this.writer.write(new Uint8Array([...header, ...payload]));
    }

    async read() {
      const reader = this.stream.readable.getReader();
      let received = new Uint8Array();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        received = new Uint8Array([...received, ...value]);
        for (;;) {
          const start = { 126: 4, 127: 10 }[received[1]] ?? 2;
          if (received.length < start) break;
          let size = received[1];
          if (start > 2) size = received.slice(2, start).reduce((sum, byte) => sum * 256 + byte, 0);
          if (received.length < start + size) break;
          const payload = received.slice(start, start + size);
          if (received[0] === 0x81) this.take(JSON.parse(new TextDecoder().decode(payload)));
          if (received[0] === 0x88) await this.writer.write(new Uint8Array([0x88, size, ...payload]));
          received = received.slice(start + size);
        }
      }
    }

    async receive() {
      const reader = this.session.datagrams.readable.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        this.take({ ...JSON.parse(new TextDecoder().decode(value.slice(value[1] === 126 ? 4 : 2))), datagram: true });
      }
    }

    take(message) {
      this.messages.push(message);
      this.waiting = this.waiting.filter(({ which, found }) => !(which(message) && (found(message), true)));
    }

    next(which) {
      const message = this.messages.find(which);
      return message ?? new Promise((found) => this.waiting.push({ which, found }));
    }
  }

  const [alice, bob] = [await Client.connect("user=alice"), await Client.connect("user=bob")];
  for (const client of [alice, bob]) {
    await client.send({ type: "join", room, datagrams: true });
    await client.next((m) => m.type === "snapshot");
  }
  for (const n of [1, 2, 3]) await alice.send({ type: "input", room, seq: n, data: { n } });
  const ack = await alice.next((m) => m.type === "ack" && m.seq === 3);
  await bob.next((m) => m.type === "update" && m.data.data?.n === 3);
  const updates = bob.messages.filter((m) => m.type === "update").map((m) => m.data);
  await alice.send({ type: "input", room, seq: 4, data: "x".repeat(60_000) });
  const large = await bob.next((m) => m.type === "update" && typeof m.data.data === "string");
  await bob.send({ type: "live", room, data: { cursor: [1, 2] } });
  const live = await alice.next((m) => m.type === "live");
  const second = await Client.connect("user=alice");
  await second.send({ type: "join", room });
  const closed = await alice.session.closed;
  const nobody = await Client.connect("");
  const refused = [nobody.messages[0].code, (await nobody.session.closed).closeCode];
  const elsewhere = new WebTransport(address.replace("/v1/wt", "/nowhere"), options);
  elsewhere.closed.catch(() => {});
  const notFound = await elsewhere.ready.then(() => false, () => true);
  return {
    updates,
    acked: ack.seq,
    large: large.data.data.length,
    live: { data: live.data, datagram: live.datagram, numbered: Number.isInteger(live.n) },
    closed: { closeCode: closed.closeCode, reason: closed.reason },
    refused,
    notFound,
  };
}
