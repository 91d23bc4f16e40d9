// The panels beside the game: the stadium, the inspector, and the plugs, each pulled under a running game.
//
//   node lab.js http://127.0.0.1:8080 [folder for screenshots] [program with games of an author]
//
// Needs a running `grandstand dev` and Chromium. It pulls the plugs of this server, so nothing else may use it meanwhile.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { board, flip, newContext, open, partner, run, shoot, suffix, until, untilText } from "./lib.js";

const AWAY = /WebSocket|ERR_CONNECTION|Failed to load resource/;
const [, , author] = process.argv.slice(2);

await run({
  "the stadium shows figures": stadium,
  "the inspector shows messages, and the room's history": inspector,
  "each plug is pulled under a running game": plugs,
  "what a connection loses is told": reconnecting,
  ...(author && { "the lobby lists an author's game, and shows it": ownGame }),
});

/** A game against the computer. */
async function game(context, user, params = "rows=4&cols=4&turn_ms=600000") {
  const page = await open(context, `/?room=memory-${suffix}-${user}&user=${user}&bots=1&${params}`, { expected: AWAY });
  await page.waitForSelector("#board[data-phase=playing]");
  return page;
}

async function stadium() {
  const context = await newContext({ colorScheme: "dark" });
  const page = await game(context, "Ada", "rows=4&cols=4&hide_ms=300&computer_ms=300&turn_ms=600000");
  await page.click("#tab-stadium");
  await page.focus("#viewers-wanted");
  await page.keyboard.press("ArrowRight");
  await untilText(page, "#viewers-open", "5");
  await page.click('.quick [aria-pressed]:nth-child(3)');
  await untilText(page, "#viewers-open", "50");
  await until(page, () => /^[\d.]+ (ms|s)$/.test(document.querySelector("#p50").textContent));
  await until(page, () => /^[\d.]+ (ms|s)$/.test(document.querySelector("#p99").textContent));
  await until(page, () => /^[\d.]+ [kM]?B\/s$/.test(document.querySelector("#bytes").textContent));
  await until(page, () => document.querySelectorAll("#latency-plot path.stroke[d*='L']").length === 2);
  const watched = await open(context, `/?room=memory-${suffix}-Ada&user=sue&role=spectator`);
  await until(watched, () => Number.parseInt(document.querySelector("#viewers")?.textContent) >= 50);
  await watched.close();
  await page.bringToFront();
  await until(page, () => document.querySelector("#latency-plot path.stroke").getAttribute("d").split("L").length > 4);
  const known = new Map();
  await move(page, known);
  await move(page, known, 1);
  await until(page, () => /The last move took [\d.]+ m?s/.test(document.querySelector("#stadium").textContent));
  await shoot(page, "stadium");
  await page.click('.quick [aria-pressed]:nth-child(1)');
  await untilText(page, "#viewers-open", "0");
  await context.close();
}

async function inspector() {
  const context = await newContext();
  const page = await game(context, "Grace");
  await page.click("#tab-inspector");
  for (const type of ["welcome", "join", "joined", "snapshot"]) await page.waitForSelector(`.messages [data-type=${type}]`);
  await until(page, () => document.querySelector("#board").classList.contains("mine"));
  await page.click('[data-card]:not(.open)');
  await page.waitForSelector(".messages .out[data-type=input]");
  await page.waitForSelector(".messages .in[data-type=ack]");
  await page.fill("#inspector [type=search]", "flip");
  await until(page, () => {
    const types = [...document.querySelectorAll(".messages li")].map((row) => row.dataset.type);
    return types.length > 0 && types.every((type) => type === "input" || type === "update");
  });
  await page.fill("#inspector [type=search]", "");
  await page.click("#inspector >> text=Pause");
  await page.click('[data-card]:not(.open)');
  await until(page, () => document.querySelectorAll("[data-card].open").length === 2);
  await page.click("#inspector >> text=Go on");
  await page.check("#inspector [type=checkbox]");
  const pongs = await page.$$eval(".messages [data-type=pong]", (rows) => rows.length);
  await until(page, (pongs) => document.querySelectorAll(".messages [data-type=pong]").length > pongs, pongs);
  assert.equal((await page.$$(".messages .out[data-type=input]")).length, 1, "what passed during the pause is left out");
  await page.click(".messages [data-type=ack] summary");
  await shoot(page, "inspector");
  await page.click("#inspector >> text=History");
  await page.click("text=Read the history");
  await untilText(page, "#history .messages", "flip");
  await page.waitForSelector("#history .good.fact");
  await shoot(page, "history");
  await context.close();
}

async function plugs() {
  const context = await newContext();
  const page = await game(context, "Barbara", "rows=4&cols=4&turn_ms=120000&hide_ms=200&computer_ms=300");
  await page.click("#tab-plug");
  const known = new Map();
  for (const plug of ["worker", "drain", "edge", "bus"]) {
    await move(page, known); // the computer answers while the plug is pulled
    await page.click(`.plug[data-plug=${plug}]`);
    const result = `.pull:first-child[data-pull=${plug}]`;
    await page.waitForSelector(`${result}:is([data-state=done],[data-state=failed])`, { timeout: 40_000 });
    const text = await page.textContent(result);
    assert.equal(await page.getAttribute(result, "data-state"), "done", text);
    assert.match(text, /\d (ms|s) pause/, text);
    assert.match(text, /\d+ inputs, each answered once \(\d+–\d+, no gap\)/, text);
    assert.match(text, /exactly once/, text);
    assert.match(text, /in the history, word for word/, text);
    assert.equal(await page.$$eval(`${result} [data-good=true]`, (facts) => facts.length), 4, text);
    assert.equal(await page.$(`${result} [data-good=false]`), null, text);
  }
  // The game goes on.
  await move(page, known);
  await move(page, known, 1);
  await shoot(page, "plug");
  await context.close();
}

/** Opens cards, as soon as it is this player's turn: a known pair, or else cards that are not known. */
async function move(page, known, cards = 2) {
  const isMine = () => {
    const board = document.querySelector("#board");
    return board.classList.contains("mine") && board.querySelectorAll(".open:not(.matched)").length < 2;
  };
  let first;
  for (let number = 0; number < cards; number++) {
    await until(page, isMine);
    const hidden = (await board(page)).faces.flatMap((face, card) => (face === "" ? [card] : []));
    const fresh = hidden.find((card) => !known.has(card)) ?? hidden[0];
    const paired = first ?? hidden.find((card) => partner(known, hidden, card) !== undefined);
    const card = (number > 0 && partner(known, hidden.concat(first), first)) || (number === 0 && paired) || fresh;
    await flip(page, card, known, (page, card) => page.click(`[data-card="${card}"]`));
    first ??= card;
  }
}

async function reconnecting() {
  const context = await newContext();
  let isCut = false;
  let tries = 0;
  const sockets = new Set();
  const prepare = (page) =>
    page.routeWebSocket(/\/v1\/ws/, (socket) => {
      tries += 1;
      if (isCut) return socket.close();
      const server = socket.connectToServer();
      sockets.add(socket);
      server.onMessage((message) => isCut || socket.send(message));
    });
  const path = `/?room=memory-${suffix}-cut&user=Ada&bots=1&rows=4&cols=4&turn_ms=120000`;
  const page = await open(context, path, { expected: AWAY, prepare });
  await page.waitForSelector("#board[data-phase=playing]");
  isCut = true;
  for (const socket of sockets) await socket.close();
  await page.waitForSelector("#reconnecting");
  await until(page, () => document.querySelector("#connection").dataset.state === "reconnecting");
  await until(page, () => /Try now \(\d/.test(document.querySelector("#reconnecting").textContent));
  await shoot(page, "reconnecting");
  const before = tries;
  await page.click("text=Try now");
  const deadline = Date.now() + 10_000;
  while (tries === before) {
    assert.ok(Date.now() < deadline, "the button does not try again");
    await new Promise((done) => setTimeout(done, 20));
  }
  isCut = false;
  await until(page, () => document.querySelector("#connection").dataset.state === "connected");
  assert.equal(await page.$("#reconnecting"), null);
  await context.close();
}

/** A program with games of an author, which knows none of ours. */
async function ownGame() {
  const [listen, admin] = await Promise.all([freePort(), freePort()]);
  const at = `http://127.0.0.1:${listen}`;
  const program = spawn(author, ["dev", "--listen", `127.0.0.1:${listen}`, "--admin", `127.0.0.1:${admin}`], { stdio: "ignore" });
  program.on("error", (error) => {
    throw error;
  });
  const context = await newContext();
  try {
    await untilServed(at);
    const alice = await open(context, "/?user=alice", { at });
    await alice.waitForSelector("[data-game=steady]");
    assert.equal(await alice.$("[data-game=memory]"), null, "the program has no memory");
    assert.equal(await alice.$("text=Find me an opponent"), null, "and no queue for it");
    await alice.click("[data-game=steady]");
    await untilText(alice, "#state", '"total": 0');
    const room = new URL(alice.url()).searchParams.get("room");

    const lobby = await open(context, "/?user=bob", { at });
    const row = `[data-room="${room}"]`;
    await untilText(lobby, row, "1 of 2 seats taken");
    await untilText(lobby, row, "end 60");
    await lobby.click(`${row} >> text=Watch`);
    await untilText(lobby, "#state", '"players": 1');
    await alice.fill("#input input", "3");
    await alice.press("#input input", "Enter");
    for (const page of [alice, lobby]) {
      await untilText(page, "#state", '"total": 3');
      await untilText(page, "#updates", '{"total":3}');
    }
    await untilText(alice, "#secret", "3");
    await alice.fill("#input input", "7");
    await alice.press("#input input", "Enter");
    await untilText(alice, "#input-problem", "7 is not 1, 2 or 3");
    await alice.fill("#input input", '"seven"');
    await alice.press("#input input", "Enter");
    await untilText(alice, "#input-problem", "bad_input");
    assert.doesNotMatch(await alice.textContent("#input-problem"), /The game does not understand/, "the game's own words");
    await alice.fill("#input input", "seven");
    await alice.press("#input input", "Enter");
    await untilText(alice, "#input-problem", "not JSON");
    await shoot(alice, "own-game");
  } finally {
    program.kill("SIGTERM");
    await context.close();
  }
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function untilServed(at) {
  const deadline = Date.now() + 20_000;
  while (!(await fetch(at).then((response) => response.ok, () => false))) {
    assert.ok(Date.now() < deadline, `${author} does not serve ${at}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
