// Processes of a cluster: NATS, workers, edges, and a balancer in front of the edges.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const SECRET = "a secret of 32 bytes or more, for tests";
const WAIT_MS = 30_000;
const everyone = new Set();

// Nothing outlives the tests, however they end.
process.on("exit", () => {
  for (const child of everyone) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something holds. */
export async function until(holds, what, ms = WAIT_MS) {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await sleep(25);
  }
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A token that lets its player into all rooms. */
export function token(player, role = "player", seconds = 3_600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: player, exp: Math.floor(Date.now() / 1_000) + seconds, rooms: { "*": role } };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/** A folder for logs and data, and the processes that are stopped at the end. */
export class Folder {
  path = mkdtempSync(join(tmpdir(), "grandstand-"));
  #running = new Set();

  /** Starts a program. */
  start(name, command, args, env = {}) {
    const log = createWriteStream(join(this.path, `${name}.log`), { flags: "a" });
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.ended = new Promise((resolve) => child.on("exit", resolve).on("error", resolve));
    child.ended.then(() => this.#running.delete(child) && everyone.delete(child));
    child.on("error", (error) => console.error(`${name}: ${error.message}`));
    this.#running.add(child);
    everyone.add(child);
    return child;
  }

  async remove() {
    for (const child of this.#running) child.kill("SIGKILL");
    await Promise.all([...this.#running].map((child) => child.ended));
    rmSync(this.path, { recursive: true, force: true });
  }
}

async function isReady(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(1_000) })).status === 200;
  } catch {
    return false;
  }
}

/** A process of Grandstand that may be killed, drained and replaced. */
class Member {
  child = null;
  isReady = false;

  constructor(cluster, name, args, env) {
    Object.assign(this, { cluster, name, args, env });
  }

  async start() {
    this.admin = await freePort();
    const args = [...this.args, "--admin", `127.0.0.1:${this.admin}`];
    this.child = this.cluster.folder.start(this.name, this.cluster.program, args, this.env);
    await until(() => isReady(this.admin), `${this.name} to be ready`);
    this.isReady = true;
  }

  /** Ends the process, and starts another one. */
  async restart(signal) {
    const { child } = this;
    if (signal === "SIGKILL") this.isReady = false;
    child.kill(signal);
    await child.ended;
    this.isReady = false;
    await this.start();
  }

  /** Starts a process that takes over the sockets of the present one. */
  async upgrade() {
    const { child } = this;
    await this.start();
    await child.ended;
  }
}

/** Two edges and two workers on NATS, behind a balancer. */
export class Cluster {
  folder = new Folder();
  workers = [];
  edges = [];
  #balancer = null;
  #checks = null;

  constructor(program, nats) {
    Object.assign(this, { program, nats });
  }

  async start() {
    const nats = await freePort();
    this.folder.start("nats", this.nats, [
      "-js",
      "-sd",
      join(this.folder.path, "nats"),
      "-a",
      "127.0.0.1",
      "-p",
      `${nats}`,
    ]);
    const bus = ["--nats", `nats://127.0.0.1:${nats}`];
    for (const name of ["worker-a", "worker-b"]) this.workers.push(new Member(this, name, ["worker", ...bus], {}));
    for (const name of ["edge-a", "edge-b"]) {
      const port = await freePort();
      const listen = ["--listen", `127.0.0.1:${port}`, "--shards", "1"];
      const edge = new Member(this, name, ["edge", ...bus, ...listen], {
        GRANDSTAND_EDGE_AUTH_SECRET: SECRET,
        GRANDSTAND_EDGE_EDGE_DRAIN_WAIT_MS: "500",
        GRANDSTAND_EDGE_EDGE_DRAIN_MS: "2000",
        GRANDSTAND_EDGE_UPGRADE_SOCKET: join(this.folder.path, `${name}.sock`),
        GRANDSTAND_EDGE_LIMITS_EXEMPT: "127.0.0.1",
      });
      edge.port = port;
      this.edges.push(edge);
    }
    await Promise.all([...this.workers, ...this.edges].map((member) => member.start()));
    await this.#balance();
  }

  // Passes connections on to the edges that are ready, one after the other.
  async #balance() {
    let turn = 0;
    this.#balancer = createServer((client) => {
      const ready = this.edges.filter((edge) => edge.isReady);
      const edge = ready[turn++ % Math.max(ready.length, 1)];
      client.on("error", () => {});
      if (!edge) return client.destroy();
      const upstream = connect(edge.port, "127.0.0.1");
      upstream.on("error", () => client.destroy());
      upstream.on("close", () => client.destroy());
      client.on("close", () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    });
    await new Promise((resolve) => this.#balancer.listen(0, "127.0.0.1", resolve));
    this.url = `ws://127.0.0.1:${this.#balancer.address().port}`;
    this.#checks = setInterval(async () => {
      for (const edge of this.edges) if (edge.isReady) edge.isReady = await isReady(edge.admin);
    }, 200);
  }

  async stop() {
    clearInterval(this.#checks);
    this.#balancer?.close();
    await this.folder.remove();
  }
}

/** One `grandstand dev`. */
export async function startDev(program, env = {}) {
  const folder = new Folder();
  mkdirSync(join(folder.path, "data"));
  const [port, admin] = [await freePort(), await freePort()];
  const args = ["dev", "--listen", `127.0.0.1:${port}`, "--admin", `127.0.0.1:${admin}`, "--secret", SECRET];
  const start = async () => {
    const child = folder.start("dev", program, [...args, "--data", join(folder.path, "data")], env);
    await until(() => isReady(admin), "dev to be ready");
    return child;
  };
  const dev = { url: `ws://127.0.0.1:${port}`, port, folder, child: await start() };
  dev.restart = async (signal) => {
    dev.child.kill(signal);
    await dev.child.ended;
    dev.child = await start();
  };
  dev.stop = () => folder.remove();
  return dev;
}
