// A player and viewers of a `relay` room, who check all that they see. Runs in Node.js and in a page.

/** Checks one application: numbers come one after the other, without a gap and without a repeat. */
class Watcher {
  problems = [];
  updates = 0;
  snapshots = 0;
  reconnects = 0;

  constructor(name, client) {
    Object.assign(this, { name, client });
    client.on("status", ({ state }) => (this.reconnects += state === "reconnecting"));
    client.on("error", (error) => this.problems.push(`${name}: ${error.code} ${error.message}`));
  }

  async join(roomName, role) {
    this.room = await this.client.join(roomName, {
      role,
      reducer: ({ count }) => ({ count: count + 1 }),
      on: {
        snapshot: ({ count }) => {
          this.snapshots++;
          if (count < this.count)
            this.problems.push(`${this.name}: a snapshot goes back from ${this.count} to ${count}`);
          this.count = count;
        },
        update: ({ data }) => {
          this.updates++;
          if (data !== this.count + 1) this.problems.push(`${this.name}: ${data} after ${this.count}`);
          this.count = data;
        },
        change: ({ count }) => {
          if (count !== this.count) this.problems.push(`${this.name}: the state is ${count}, not ${this.count}`);
        },
        left: ({ code }) => this.problems.push(`${this.name}: left with ${code}`),
        reset: ({ why }) => this.problems.push(`${this.name}: reset, ${why}`),
      },
    });
  }
}

/** Plays for a time. Returns what was seen, with everything that must not be. */
export async function play({ makeClient, room, viewers, ms, intervalMs = 50 }) {
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const player = new Watcher("player", makeClient("player", "player"));
  await player.join(room, "player");
  const audience = Array.from(
    { length: viewers },
    (_, i) => new Watcher(`viewer ${i}`, makeClient(`viewer-${i}`, "spectator")),
  );
  await Promise.all(audience.map((viewer) => viewer.join(room, "spectator")));
  const all = [player, ...audience];
  const problems = [];
  let sent = 0;
  let answered = 0;
  let slowestMs = 0;
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const at = performance.now();
    const number = ++sent;
    player.room.send(number).then(
      ({ seq }) => {
        answered++;
        slowestMs = Math.max(slowestMs, performance.now() - at);
        if (seq !== number) problems.push(`input ${number} has seq ${seq}`);
      },
      (error) => {
        answered++;
        problems.push(`input ${number} failed: ${error.code} ${error.message}`);
      },
    );
    await sleep(intervalMs);
  }
  const behind = () => all.filter((watcher) => watcher.count !== sent);
  for (const until = performance.now() + 40_000; performance.now() < until; await sleep(50)) {
    if (answered === sent && behind().length === 0) break;
  }
  if (answered !== sent) problems.push(`${sent - answered} promises without an answer`);
  for (const { name, count } of behind()) problems.push(`${name} has seen ${count} of ${sent}`);
  problems.push(...all.flatMap((watcher) => watcher.problems));
  await Promise.all(all.map((watcher) => watcher.client.close()));
  const sum = (name) => all.reduce((total, watcher) => total + watcher[name], 0);
  return {
    sent,
    updates: sum("updates"),
    snapshots: sum("snapshots"),
    reconnects: sum("reconnects"),
    slowestMs: Math.round(slowestMs),
    problems,
  };
}
