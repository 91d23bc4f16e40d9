// A player and viewers in headless Chromium, with the file for script tags.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { freePort, startDev, token } from "./processes.js";

const FLAGS = [
  "--no-sandbox", // tests run as root in containers
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens a page that has the SDK as `Grandstand`. Returns the page, and a function that closes all. */
export async function openPage(problems, flags = []) {
  const file = (path) => readFileSync(new URL(path, import.meta.url));
  const files = {
    "/": ["text/html", '<!doctype html><meta charset="utf-8"><script src="/grandstand.min.js"></script>'],
    "/grandstand.min.js": ["text/javascript", file("../../dist/grandstand.min.js")],
    "/audience.js": ["text/javascript", file("audience.js")],
  };
  const server = createServer(({ url }, response) => {
    const [type, body] = files[url] ?? ["text/plain", ""];
    response.writeHead(body ? 200 : 404, { "Content-Type": type }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({ executablePath: findChromium(), args: [...FLAGS, ...flags] });
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => problems.push(`uncaught in the page: ${error.stack}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { page, close };
}

/** Plays in a page. Returns what was seen. */
export async function playInBrowser({ cluster, ms, viewers }) {
  const problems = [];
  const { page, close } = await openPage(problems, ["--disable-quic"]);
  const tokens = { player: token("player") };
  for (let i = 0; i < viewers; i++) tokens[`viewer-${i}`] = token(`viewer-${i}`, "spectator");
  try {
    const seen = await page.evaluate(
      async ({ url, tokens, ms, viewers }) => {
        const { play } = await import("/audience.js");
        const makeClient = (player) => globalThis.Grandstand.connect({ url, token: tokens[player] });
        return play({ makeClient, room: "relay-browser", viewers, ms });
      },
      { url: cluster.url, tokens, ms, viewers },
    );
    seen.problems.push(...problems);
    return seen;
  } finally {
    await close();
  }
}

/** The client over WebTransport, and without it where the session fails. Needs `openssl` for a certificate. */
export async function testWebTransport(program) {
  const problems = [];
  const certificate = makeCertificate();
  const port = await freePort();
  const dev = await startDev(program, {
    GRANDSTAND_EDGE_TLS_LISTEN: `127.0.0.1:${port}`,
    GRANDSTAND_EDGE_TLS_CERTIFICATE_FILES: certificate.pem,
    GRANDSTAND_EDGE_TLS_KEY_FILES: certificate.key,
    GRANDSTAND_EDGE_QUIC_LISTEN: `127.0.0.1:${port}`,
  });
  const { page, close } = await openPage(problems, ["--ignore-certificate-errors"]);
  try {
    for (const [name, hash, expected] of [
      ["webtransport", certificate.hash, { sessions: 2, sockets: 0, whole: true, lossy: true, datagrams: 1 }],
      [
        "websocket",
        certificate.hash.map((byte) => byte ^ 1),
        { sessions: 2, sockets: 2, whole: true, lossy: true, datagrams: 0 },
      ],
    ]) {
      const seen = await page.evaluate(playOverWebTransport, {
        url: `wss://127.0.0.1:${port}`,
        hash,
        room: `relay-${name}`,
      });
      assert.deepEqual(seen, expected, name);
    }
    await page.goto(`${new URL("../../examples/script-tag.html", import.meta.url)}?server=${dev.url}`);
    await page.getByText("connected").waitFor({ timeout: 10_000 });
    await page.getByLabel("Say").fill("hello");
    await page.getByText("Send").click();
    await page.getByText(/guest-.*: hello/).waitFor({ timeout: 10_000 });
    assert.deepEqual(problems, []);
    console.log("webtransport and script tag: ok");
  } finally {
    await close();
    await dev.stop();
    rmSync(certificate.folder, { recursive: true });
  }
}

/** Runs in the page: two players send each other inputs and lossy messages. */
async function playOverWebTransport({ url, hash, room: name }) {
  const seen = { sessions: 0, sockets: 0, whole: false, lossy: false, datagrams: 0 };
  const counted = (Class, count) =>
    new Proxy(Class, {
      construct: (Class, args) => {
        seen[count]++;
        const made = new Class(...args);
        if (made.datagrams) countDatagrams(made);
        return made;
      },
    });
  const countDatagrams = (session) => {
    const { datagrams } = session;
    const [readable, copy] = datagrams.readable.tee();
    const { maxDatagramSize, writable } = datagrams;
    const createWritable = datagrams.createWritable?.bind(datagrams);
    Object.defineProperty(session, "datagrams", { value: { readable, maxDatagramSize, writable, createWritable } });
    copy.pipeTo(new WritableStream({ write: () => void seen.datagrams++ })).catch(() => {});
  };
  const serverCertificateHashes = [{ algorithm: "sha-256", value: new Uint8Array(hash) }];
  const open = (user) =>
    globalThis.Grandstand.connect({
      url: `${url}/v1/ws?user=${user}`,
      webTransport: { serverCertificateHashes },
      WebTransport: counted(WebTransport, "sessions"),
      WebSocket: counted(WebSocket, "sockets"),
    });
  const clients = [open("alice"), open("bob")];
  const [alice, bob] = await Promise.all(clients.map((client) => client.join(name)));
  const lossy = new Promise((resolve) => bob.on("live", ({ cursor }) => resolve(cursor[1] === 2)));
  const texts = [];
  bob.on("update", ({ data }) => texts.push(data));
  for (const size of [10, 1_000, 60_000]) await alice.send("x".repeat(size));
  alice.live({ cursor: [1, 2] });
  seen.lossy = await lossy;
  while (texts.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  seen.whole = texts.map((text) => text.length).join() === "10,1000,60000";
  await Promise.all(clients.map((client) => client.close()));
  return seen;
}

function makeCertificate() {
  const folder = mkdtempSync(join(tmpdir(), "grandstand-"));
  const [key, pem] = [join(folder, "tls.key"), join(folder, "tls.pem")];
  const kind = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
  ];
  execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", key, "-out", pem], { stdio: "ignore" });
  const hash = [
    ...createHash("sha256")
      .update(new X509Certificate(readFileSync(pem)).raw)
      .digest(),
  ];
  return { folder, key, pem, hash };
}

function findChromium() {
  const found = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const path = found.find((path) => path && existsSync(path));
  if (!path) throw new Error("no Chromium found: install it (apt-get install chromium) or set CHROMIUM to its path");
  return path;
}
