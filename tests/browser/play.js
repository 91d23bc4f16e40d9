// Two tabs play `memory` on the demo page by clicking, and a third watches. All three must show the same board.
//
//   node play.js http://127.0.0.1:8080 [folder for screenshots]
//
// Needs a running `grandstand dev` and Chromium (from CHROMIUM, or one of the usual paths).

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const WAIT_MS = 15_000;
const FLAGS = [
  "--no-sandbox", // tests run as root in containers
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const [base = "http://127.0.0.1:8080", shots = "../../target/screenshots"] = process.argv.slice(2);
const suffix = Math.random().toString(36).slice(2, 8);
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({ executablePath: findChromium(), args: FLAGS });
try {
  await playMemory(await newContext());
  await chat(await newContext());
  console.log("browser: ok");
} finally {
  await browser.close();
}

async function playMemory(context) {
  const room = `memory-${suffix}`;
  const lobby = await open(context, "/");
  assert.match(await lobby.inputValue("[name=user]"), /./, "a name is suggested");
  await shoot(lobby, "lobby");

  const alice = lobby;
  await alice.fill("[name=user]", "alice");
  await alice.fill("[name=room]", room);
  await alice.click("#params summary");
  await alice.selectOption("[name=size]", "2x2");
  await alice.click("#join button");
  await alice.waitForSelector("#board[data-phase=waiting]");
  await shoot(alice, "waiting");
  const link = new URL(alice.url());
  assert.equal(link.searchParams.get("room"), room, "the address is a link to the room");
  assert.equal(link.searchParams.has("user"), false, "the link does not contain the name");

  const bob = await open(context, `/?room=${room}&user=bob`);
  const carol = await open(context, `/?room=${room}&user=carol&role=spectator`);
  const pages = { alice, bob, carol };
  for (const page of Object.values(pages)) await page.waitForSelector("#board[data-phase=playing]");
  await until(alice, () => document.querySelectorAll("#people .connected").length === 2);
  await until(alice, () => document.querySelector("#viewers").textContent.includes("1 watching"));
  await carol.click('.card[data-card="0"]', { force: true });
  assert.equal((await board(carol)).faces.join(""), "", "a spectator's click does nothing");

  // The current player opens a known pair, or else cards that no player has seen.
  const known = new Map();
  for (let move = 0; move < 60; move++) {
    const { phase, turn, faces } = await board(carol);
    if (phase === "over") break;
    if (!(turn in pages)) continue;
    const hidden = faces.map((face, card) => (face === "" ? card : -1)).filter((card) => card >= 0);
    const first = hidden.find((card) => partner(known, hidden, card) !== undefined) ?? hidden.find((card) => !known.has(card)) ?? hidden[0];
    await flip(pages[turn], first, known);
    const rest = hidden.filter((card) => card !== first);
    const second = partner(known, hidden, first) ?? rest.find((card) => !known.has(card)) ?? rest[0];
    await flip(pages[turn], second, known);
    if (move === 0) {
      await shoot(alice, "playing");
      await shoot(carol, "watching");
    }
    const match = known.get(first) === known.get(second);
    await until(
      carol,
      ([match, turn]) => {
        const board = document.querySelector("#board");
        const open = board.querySelectorAll(".open:not(.matched)").length;
        return board.dataset.phase === "over" || (open === 0 && (match || board.dataset.turn !== turn));
      },
      [match, turn],
    );
  }
  for (const page of Object.values(pages)) await page.waitForSelector("#board[data-phase=over]");
  const boards = await Promise.all(Object.values(pages).map(board));
  assert.deepEqual(boards[1], boards[0], "both players see the same");
  assert.deepEqual(boards[2], boards[0], "the spectator sees what the players see");
  assert.equal(boards[0].faces.filter(Boolean).length, 4, "all cards are open");
  assert.equal(Object.values(boards[0].scores).reduce((a, b) => a + b), 2, "two pairs were scored");

  const late = await open(context, `/?room=${room}&user=dave&role=spectator`);
  await late.waitForSelector("#board[data-phase=over]");
  assert.deepEqual((await board(late)).faces, boards[0].faces, "a late spectator sees the same");
  await shoot(alice, "over");
  await late.setViewportSize({ width: 390, height: 844 });
  await late.emulateMedia({ colorScheme: "dark" });
  await shoot(late, "over-phone-dark");
  await context.close();
}

async function chat(context) {
  const room = `relay-${suffix}`;
  const alice = await open(context, `/?room=${room}&user=alice`);
  await alice.waitForSelector("#say");
  const bob = await open(context, `/?room=${room}&user=bob`);
  await bob.waitForSelector("#say");
  await alice.fill("#say input", "<b>hello</b>");
  await alice.press("#say input", "Enter");
  await bob.fill("#say input", "hello yourself");
  await bob.press("#say input", "Enter");
  for (const page of [alice, bob]) {
    await until(page, () => {
      const text = document.querySelector("#lines").textContent;
      return text.includes("alice: <b>hello</b>") && text.includes("bob: hello yourself");
    });
  }
  await shoot(bob, "chat");
  await context.close();
}

async function newContext() {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 } });
  context.setDefaultTimeout(WAIT_MS);
  return context;
}

async function open(context, path) {
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    console.error("uncaught error in the page:", error);
    process.exitCode = 1;
  });
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    console.error("error on the console:", message.text());
    process.exitCode = 1;
  });
  await page.goto(new URL(path, base).href);
  return page;
}

/** Reads the visible state of a page. */
function board(page) {
  return page.evaluate(() => {
    const { phase, turn } = document.querySelector("#board").dataset;
    const people = [...document.querySelectorAll("#people li")].map((item) => [
      item.querySelector(".who").textContent.replace(" (you)", ""),
      Number(item.querySelector(".score")?.textContent),
    ]);
    return {
      phase,
      turn,
      faces: [...document.querySelectorAll(".card")].map((card) => card.dataset.face),
      scores: Object.fromEntries(people),
    };
  });
}

/**
 * Waits until a test in the page returns a value that counts as true. Playwright's own wait evaluates text in the page later,
 * which the policy of the page forbids.
 */
async function until(page, test, argument) {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const value = await page.evaluate(test, argument);
    if (value) return value;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited 30 s for ${test}`);
}

async function flip(page, card, known) {
  await page.click(`.card[data-card="${card}"]`);
  const face = await until(page, (card) => document.querySelector(`.card[data-card="${card}"]`).dataset.face, card);
  known.set(card, face);
}

/** Finds a hidden card with the same face, if one is known. */
function partner(known, hidden, card) {
  return hidden.find((other) => other !== card && known.has(card) && known.get(other) === known.get(card));
}

async function shoot(page, name) {
  await page.bringToFront();
  await page.waitForTimeout(500); // only for the picture: cards take a moment to turn
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

function findChromium() {
  const found = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const path = found.find((path) => path && existsSync(path));
  assert.ok(path, "no Chromium found: install it (apt-get install chromium) or set CHROMIUM to its path");
  return path;
}
