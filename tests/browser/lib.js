// What the tests of the page share: the browser, pages that report their errors, and the state of a board.

import { createHmac } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { launch } from "./chromium.js";

const WAIT_MS = 15_000;

/** The address of the server, and the folder for screenshots. */
export const [base = "http://127.0.0.1:8080", shots = "../../target/screenshots"] = process.argv.slice(2);
mkdirSync(shots, { recursive: true });

export const browser = await launch();

/** Text for names that no other test uses. */
export const suffix = Math.random().toString(36).slice(2, 8);

/** A token of a player for every room, which expires after some seconds. */
export function tokenFor(sub, seconds = 3600) {
  const secret = process.env.GRANDSTAND_SECRET;
  if (!secret) throw new Error("GRANDSTAND_SECRET is missing: set it to the --secret of `grandstand dev`");
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, exp, rooms: { "*": "player" } })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** A window of its own, with further options of Playwright. */
export async function newContext(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(WAIT_MS);
  return context;
}

/** Opens the page. An error in it, a message that the policy forbids among them, fails the test, unless `expected` fits its text. */
export async function open(context, path, { expected, at = base, prepare } = {}) {
  const page = await context.newPage();
  const fail = (kind, text) => {
    if (expected?.test(text)) return;
    console.error(`${kind}: ${text}`);
    process.exitCode = 1;
  };
  page.on("pageerror", (error) => fail("uncaught error in the page", error.stack ?? String(error)));
  page.on("console", (message) => message.type() === "error" && fail("error on the console", message.text()));
  const checkHost = (url) => {
    const { protocol, hostname } = new URL(url);
    if (protocol !== "data:" && hostname !== new URL(at).hostname) fail("request to another host", url);
  };
  page.on("request", (request) => checkHost(request.url()));
  page.on("websocket", (socket) => checkHost(socket.url()));
  await prepare?.(page);
  await page.goto(new URL(path, at).href);
  return page;
}

/**
 * Waits until a test in the page returns a value that counts as true. Playwright's own wait evaluates text in the page later,
 * which the policy of the page forbids.
 */
export async function until(page, test, argument) {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const value = await page.evaluate(test, argument);
    if (value) return value;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited 30 s for ${test}`);
}

/** Waits until an element has a text. */
export function untilText(page, selector, text) {
  return until(page, ([selector, text]) => document.querySelector(selector)?.textContent.includes(text), [selector, text]);
}

/** Reads the visible state of a board of `memory`. */
export function board(page) {
  return page.evaluate(() => {
    const { phase, turn } = document.querySelector("#board").dataset;
    const scores = [...document.querySelectorAll(".players [data-player]")].map((plate) => [
      plate.dataset.player,
      Number(plate.querySelector(".score").textContent.replace("score ", "")),
    ]);
    return {
      phase,
      turn,
      faces: [...document.querySelectorAll("[data-card]")].map((card) => card.dataset.face),
      scores: Object.fromEntries(scores),
    };
  });
}

/** Moves the focus to a card by keys, as a person without a mouse does. */
export async function focusCard(page, card, cols) {
  await page.bringToFront();
  await page.focus('#board [tabindex="0"]');
  for (let step = 0; step < 32; step++) {
    const at = await page.evaluate(() => Number(document.activeElement.dataset.card));
    if (at === card) return;
    const [row, col] = [Math.floor(at / cols), at % cols];
    const [toRow, toCol] = [Math.floor(card / cols), card % cols];
    await page.keyboard.press(col < toCol ? "ArrowRight" : col > toCol ? "ArrowLeft" : row < toRow ? "ArrowDown" : "ArrowUp");
  }
  throw new Error(`the focus does not reach card ${card}`);
}

/**
 * Opens a card with a function that acts as a person does, and remembers its face. The page itself watches the card, because it
 * may be hidden again soon.
 */
export async function flip(page, card, known, how) {
  const seen = page.evaluate((card) => {
    const element = document.querySelector(`[data-card="${card}"]`);
    return new Promise((done, fail) => {
      const look = () => element.dataset.face && done(element.dataset.face);
      new MutationObserver(look).observe(element, { attributes: true });
      setTimeout(() => fail(new Error(`card ${card} did not open within 30 s`)), 30_000);
      look();
    });
  }, card);
  await Promise.all([seen, how(page, card)]);
  known.set(card, await seen);
}

/**
 * Plays a game to its end: the current player opens a known pair, or else cards that no player has seen. `after` is called with
 * the number of each move.
 */
export async function playGame(pages, watcher, how, after = () => {}) {
  const known = new Map();
  for (let move = 0; move < 60; move++) {
    const { phase, turn, faces } = await board(watcher);
    if (phase === "over") return;
    if (!(turn in pages)) continue;
    const hidden = faces.map((face, card) => (face === "" ? card : -1)).filter((card) => card >= 0);
    const first = hidden.find((card) => partner(known, hidden, card) !== undefined) ?? hidden.find((card) => !known.has(card)) ?? hidden[0];
    await flip(pages[turn], first, known, how);
    const rest = hidden.filter((card) => card !== first);
    const second = partner(known, hidden, first) ?? rest.find((card) => !known.has(card)) ?? rest[0];
    await flip(pages[turn], second, known, how);
    await after(move, turn);
    const match = known.get(first) === known.get(second);
    await until(
      watcher,
      ([match, turn]) => {
        const board = document.querySelector("#board");
        const open = board.querySelectorAll(".open:not(.matched)").length;
        return board.dataset.phase === "over" || (open === 0 && (match || board.dataset.turn !== turn));
      },
      [match, turn],
    );
  }
}

/** Finds a hidden card with the same face, if one is known. */
export function partner(known, hidden, card) {
  return hidden.find((other) => other !== card && known.has(card) && known.get(other) === known.get(card));
}

/** Takes a picture, once everything has moved to its place. */
export async function shoot(page, name, options = {}) {
  await page.bringToFront();
  await page.waitForTimeout(450); // only for the picture: cards take a moment to turn
  await page.screenshot({ path: join(shots, `${name}.png`), ...options });
}

/** Runs tests one after the other, and says how long each took. Ends the browser and the process. */
export async function run(tests) {
  try {
    for (const [name, test] of Object.entries(tests)) {
      const began = Date.now();
      await test();
      console.log(`browser: ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    }
  } finally {
    await browser.close();
  }
}
