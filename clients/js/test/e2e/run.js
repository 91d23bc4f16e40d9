// End to end: a player and 50 viewers on a cluster that is killed, drained and upgraded under them.
//
//   GRANDSTAND_BIN=… GRANDSTAND_NATS_SERVER=… node test/e2e/run.js [dev] [webtransport] [cluster] [browser]
//
// GRANDSTAND_JS_SECONDS is the time of faults: 20 by default, 600 for ten minutes. Needs the built package, and for
// `browser` Chromium (CHROMIUM, or the usual paths).

import { connect } from "@grandstand/client";
import { protobuf } from "@grandstand/client/protobuf";
import { WebSocket } from "ws";
import { play } from "./audience.js";
import { playInBrowser, testWebTransport } from "./browser.js";
import { testDev } from "./dev.js";
import { Cluster, sleep, token } from "./processes.js";

const { GRANDSTAND_BIN: program, GRANDSTAND_NATS_SERVER: nats, GRANDSTAND_JS_SECONDS = "20" } = process.env;
const seconds = Number(GRANDSTAND_JS_SECONDS);
const parts = process.argv.length > 2 ? process.argv.slice(2) : ["dev", "webtransport", "cluster", "browser"];
const problems = [];
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error) => problems.push(`${event}: ${error?.stack ?? error}`));
}

/** Injures the cluster again and again. Returns how often. */
async function injure(cluster, isOver) {
  const [workerA, workerB] = cluster.workers;
  const [edgeA, edgeB] = cluster.edges;
  const faults = [
    ["kill a worker", () => workerA.restart("SIGKILL")],
    ["drain an edge", () => edgeA.restart("SIGTERM")],
    ["kill an edge", () => edgeB.restart("SIGKILL")],
    ["upgrade an edge", () => edgeA.upgrade()],
    ["kill the other worker", () => workerB.restart("SIGKILL")],
    ["drain a worker", () => workerA.restart("SIGTERM")],
  ];
  let count = 0;
  while (!isOver()) {
    const [name, injury] = faults[count++ % faults.length];
    const at = performance.now();
    await injury();
    console.log(`  ${name}: ${Math.round(performance.now() - at)} ms`);
    await sleep(1_000);
  }
  return count;
}

async function onCluster(name, ms, run) {
  const cluster = new Cluster(program, nats);
  try {
    await cluster.start();
    let isOver = false;
    const injuries = injure(cluster, () => isOver);
    const end = performance.now() + ms;
    const seen = await run(cluster, ms).finally(() => {
      isOver = true;
    });
    const faults = await injuries;
    const { problems: found, ...numbers } = seen;
    console.log(
      `${name}: ${faults} faults in ${Math.round((ms + performance.now() - end) / 1_000)} s, ${JSON.stringify(numbers)}`,
    );
    if (numbers.reconnects === 0) found.push("no client had to reconnect: the faults hit nothing");
    problems.push(...found.slice(0, 20).map((problem) => `${name}: ${problem}`));
  } finally {
    await cluster.stop();
  }
}

/** Runs a part of the tests, and keeps its failure. */
async function part(name, run) {
  if (!parts.includes(name)) return;
  await run().catch((error) => problems.push(`${name}: ${error?.stack ?? error}`));
}

await part("dev", () => testDev(program));
await part("webtransport", () => testWebTransport(program));
await part("cluster", () =>
  onCluster("cluster", seconds * 1_000, (cluster, ms) => {
    const makeClient = (player, role) => {
      const encoding = player.endsWith("1") ? protobuf : "json";
      return connect({ url: cluster.url, token: token(player, role), encoding, WebSocket });
    };
    return play({ makeClient, room: "relay-e2e", viewers: 50, ms });
  }),
);
await part("browser", () =>
  onCluster("browser", Math.min(seconds, 60) * 500, (cluster, ms) => playInBrowser({ cluster, ms, viewers: 10 })),
);

for (const problem of problems) console.error(problem);
console.log(problems.length ? `e2e: ${problems.length} problems` : "e2e: ok");
process.exit(problems.length ? 1 : 0);
