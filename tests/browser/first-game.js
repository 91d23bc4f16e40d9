// Alice and Bob play the quiz of docs/games/first-game.md on the page that is printed there.
//
//   node first-game.js grandstand-docs [folder for screenshots]
//
// The program has the game of the page. Needs Chromium (from CHROMIUM, or one of the usual paths).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { launch } from "./chromium.js";

const WAIT_MS = 20_000;
const [program, shots] = process.argv.slice(2).map((path) => resolve(path));
const page = readFileSync(new URL("../../docs/games/first-game.md", import.meta.url), "utf8");
const printed = (language) => page.split(`\`\`\`${language}\n`)[1].split("```")[0];

const folder = mkdtempSync(join(tmpdir(), "first-game-"));
const web = join(folder, "web");
mkdirSync(web);
writeFileSync(join(web, "index.html"), printed("html"));
writeFileSync(join(web, "game.js"), printed("js"));
const [port, admin] = [await freePort(), await freePort()];
let dev = await start();
const browser = await launch();
try {
  await play();
  console.log("first game: ok");
} finally {
  await browser.close();
  dev.kill("SIGKILL");
  rmSync(folder, { recursive: true });
}

async function play() {
  const context = await browser.newContext({ viewport: { width: 640, height: 400 } });
  const faults = [];
  const [alice, bob] = await Promise.all(
    ["alice", "bob"].map(async (user) => {
      const tab = await context.newPage();
      tab.setDefaultTimeout(WAIT_MS);
      tab.on("pageerror", (error) => faults.push(error));
      await tab.goto(`http://127.0.0.1:${port}/?room=quiz-1&user=${user}`);
      return tab;
    }),
  );
  for (const tab of [alice, bob]) await shows(tab, "#question", "What is 2 + 2?");
  await shows(alice, "#points", "bob: 0");
  await answer(bob, "5");
  await shows(bob, "#said", "that is not it");
  await answer(alice, "4");
  await shows(alice, "#said", "Right!");
  await shows(bob, "#question", "What is the capital of Peru?");
  await shows(bob, "#points", "alice: 1");
  if (shots) {
    mkdirSync(shots, { recursive: true });
    await bob.screenshot({ path: join(shots, "first-game.png") });
  }
  await stop();
  dev = await start();
  await answer(bob, "lima"); // the page has connected again by itself, or does so now
  await shows(bob, "#said", "Right!");
  await answer(alice, "8");
  for (const tab of [alice, bob]) await shows(tab, "#question", "The quiz is over");
  await shows(bob, "#points", "alice: 2");
  assert.equal(await bob.isVisible("#form"), false);
  assert.deepEqual(faults, []);
}

function shows(tab, selector, text) {
  return tab.waitForFunction(([selector, text]) => document.querySelector(selector).textContent.includes(text), [selector, text]);
}

async function answer(tab, text) {
  await tab.fill("#answer", text);
  await tab.click("button");
}

async function start() {
  const child = spawn(
    program,
    ["dev", "--listen", `127.0.0.1:${port}`, "--admin", `127.0.0.1:${admin}`, "--data", "data", "--pages", web],
    { cwd: folder, stdio: "ignore" },
  );
  for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
    const answer = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => null);
    if (answer?.ok) return child;
    assert.equal(child.exitCode, null, "the server has ended");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the server does not become ready");
}

function stop() {
  const ended = new Promise((resolve) => dev.once("exit", resolve));
  dev.kill("SIGKILL");
  return ended;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
