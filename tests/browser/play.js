// Plays the games on the demo page, as people do: two tabs by keyboard, and a third watches. All must show the same.
//
//   node play.js http://127.0.0.1:8080 [folder for screenshots]
//
// Needs a running `grandstand dev` and Chromium (from CHROMIUM, or one of the usual paths).

import assert from "node:assert/strict";
import { board, flip, focusCard, newContext, open, playGame, run, shoot, suffix, until, untilText } from "./lib.js";

const byKeys = (cols) => async (page, card) => {
  await focusCard(page, card, cols);
  await page.keyboard.press("Enter");
};
const byMouse = async (page, card) => {
  await page.bringToFront(); // a browser draws other pages seldom
  await page.click(`[data-card="${card}"]`);
};

await run({
  "two tabs play memory by keyboard, a third watches, and they play again": memory,
  "a third player is told that the room is full": fullRoom,
  "two who look for an opponent find each other": opponents,
  "a chat": chat,
  "the arena moves": arena,
});

async function memory() {
  const context = await newContext();
  const room = `memory-${suffix}`;
  const alice = await open(context, "/");
  assert.match(await alice.inputValue("[name=user]"), /./, "a name is suggested");
  await shoot(alice, "lobby");

  await alice.fill("[name=user]", "alice");
  await alice.fill("[name=room]", room);
  await alice.click("#params summary");
  await alice.selectOption("[name=size]", "2x2");
  await alice.selectOption("[name=turn]", "600000");
  await alice.press("[name=room]", "Enter");
  await alice.waitForSelector("#board[data-phase=waiting]");
  await shoot(alice, "waiting");
  const link = new URL(alice.url());
  assert.equal(link.searchParams.get("room"), room, "the address is a link to the room");
  assert.equal(link.searchParams.has("user"), false, "the link does not contain the name");
  assert.equal(await alice.inputValue(".invitation input"), `${link.href}`, "the invitation is this link");

  // Another person sees the room in the lobby, and joins it from there.
  const bob = await open(context, "/?user=bob");
  await bob.click(`[data-room="${room}"] .button.main`);
  const carol = await open(context, `/?room=${room}&user=carol&role=spectator`);
  const pages = { alice, bob, carol };
  for (const page of Object.values(pages)) await page.waitForSelector("#board[data-phase=playing]");
  await until(alice, () => document.querySelectorAll("#people li.connected").length === 2);
  await untilText(alice, "#viewers", "1 watching");
  await carol.click('[data-card="0"]', { force: true });
  assert.equal((await board(carol)).faces.join(""), "", "a spectator's click does nothing");

  const { turn } = await board(carol);
  const [now, next] = turn === "alice" ? [alice, bob] : [bob, alice];
  await untilText(now, "#status", "Your turn");
  assert.match(await now.title(), /Your turn/, "the title of the tab says whose turn it is");
  await untilText(next, "#status", `${turn}’s turn`);
  await byKeys(2)(next, 1);
  await untilText(next, ".refusal", "It is not your turn.");

  await playGame(pages, carol, byKeys(2));
  for (const page of Object.values(pages)) await page.waitForSelector("#board[data-phase=over]");
  const boards = await Promise.all(Object.values(pages).map(board));
  assert.deepEqual(boards[1], boards[0], "both players see the same");
  assert.deepEqual(boards[2], boards[0], "the spectator sees what the players see");
  assert.equal(boards[0].faces.filter(Boolean).length, 4, "all cards are open");
  assert.equal(Object.values(boards[0].scores).reduce((a, b) => a + b), 2, "two pairs were scored");

  const late = await open(context, `/?room=${room}&user=dave&role=spectator`);
  await late.waitForSelector("#board[data-phase=over]");
  assert.deepEqual((await board(late)).faces, boards[0].faces, "a late spectator sees the same");
  await late.close();
  await shoot(alice, "over");

  // Both press the button, and meet again. The spectator follows.
  await alice.bringToFront();
  await alice.focus("#again");
  await alice.keyboard.press("Enter");
  await alice.waitForSelector("#board[data-phase=waiting]");
  assert.equal(await alice.evaluate(() => document.activeElement.tagName), "H1", "the focus is on the title of the new room");
  await bob.bringToFront();
  await untilText(bob, ".again", "Somebody is waiting for you there.");
  for (const page of [bob, carol]) await page.click("#again");
  for (const page of Object.values(pages)) {
    await page.waitForSelector("#board[data-phase=playing]");
    assert.equal(new URL(page.url()).searchParams.get("room"), `${room}-2`);
  }
  assert.equal((await board(carol)).faces.length, 4, "the board has the same size");
  await until(alice, () => document.activeElement.dataset.card === "0"); // the arrow keys move from card to card at once
  assert.equal(await carol.$("#again"), null);
  await pictures(context);
  await context.close();
}

/** Pictures of a larger game: on a desktop, on a phone, and of a spectator. */
async function pictures(context) {
  const room = `memory-${suffix}-big`;
  const ada = await open(context, `/?room=${room}&user=Ada&rows=4&cols=4&hide_ms=150&turn_ms=600000`);
  await ada.waitForSelector("#board[data-phase=waiting]");
  const grace = await open(context, `/?room=${room}&user=Grace`);
  const watcher = await open(context, `/?room=${room}&user=Edsger&role=spectator`);
  const pages = { Ada: ada, Grace: grace };
  for (const page of [ada, grace, watcher]) await page.waitForSelector("#board[data-phase=playing]");
  let isDone = false;
  const scored = async () => {
    const { scores } = await board(watcher);
    isDone = Object.values(scores).reduce((a, b) => a + b) >= 2;
    if (isDone) throw new Error("enough");
  };
  await playGame(pages, watcher, byMouse, scored).catch((error) => isDone || Promise.reject(error));
  const { turn, faces } = await until(watcher, () => {
    const board = document.querySelector("#board");
    if (board.dataset.phase === "over" || board.querySelectorAll(".open:not(.matched)").length === 2) return null;
    return { turn: board.dataset.turn, faces: [...board.children].map((card) => card.dataset.face) };
  });
  await flip(pages[turn], faces.indexOf(""), new Map(), byMouse);
  await shoot(pages[turn], "desktop");
  await shoot(watcher, "spectator");
  await watcher.setViewportSize({ width: 360, height: 740 });
  await watcher.emulateMedia({ colorScheme: "dark" });
  await shoot(watcher, "phone");
}

async function fullRoom() {
  const context = await newContext();
  const room = `memory-${suffix}-full`;
  for (const user of ["alice", "bob"]) {
    const page = await open(context, `/?room=${room}&user=${user}`);
    await page.waitForSelector("#board");
  }
  const carol = await open(context, `/?room=${room}&user=carol`);
  await untilText(carol, ".notice", "This room is full");
  await shoot(carol, "full");
  await carol.click("text=Watch this room");
  await carol.waitForSelector("#board[data-phase=playing]");
  await untilText(carol, ".chip", "watching");
  await context.close();
}

/** On phones: they touch. */
async function opponents() {
  const context = await newContext({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const pages = {};
  for (const user of [`erin-${suffix}`, `frank-${suffix}`]) {
    const page = await open(context, `/?user=${user}`);
    await page.tap("text=Find me an opponent");
    await page.waitForSelector(".searching");
    pages[user] = page;
  }
  for (const page of Object.values(pages)) await page.waitForSelector("#board[data-phase=playing]");
  const rooms = Object.values(pages).map((page) => new URL(page.url()).searchParams.get("room"));
  assert.equal(rooms[0], rooms[1], "both are in the same room");
  const [first] = Object.values(pages);
  const { turn } = await board(first);
  await pages[turn].bringToFront();
  await flip(pages[turn], 0, new Map(), (page, card) => page.tap(`[data-card="${card}"]`));
  await until(first, () => document.querySelector('[data-card="0"]').dataset.face);
  await context.close();
}

async function chat() {
  const context = await newContext();
  const room = `relay-${suffix}`;
  const alice = await open(context, `/?room=${room}&user=alice`);
  await alice.waitForSelector("#say");
  const bob = await open(context, `/?room=${room}&user=bob`);
  await bob.waitForSelector("#say");
  await alice.fill("#say input:not([type])", "<b>hello</b>");
  await untilText(bob, ".typing", "alice is typing");
  await alice.press("#say input:not([type])", "Enter");
  await bob.fill("#say input:not([type])", "hello yourself");
  await bob.press("#say input:not([type])", "Enter");
  for (const page of [alice, bob]) {
    await untilText(page, "#lines", "alice: <b>hello</b>");
    await untilText(page, "#lines", "bob: hello yourself");
  }
  await shoot(bob, "chat");
  await context.close();
}

async function arena() {
  const context = await newContext();
  const room = `arena-${suffix}`;
  const alice = await open(context, `/?room=${room}&user=alice`);
  const watcher = await open(context, `/?room=${room}&user=sue&role=spectator`);
  await alice.waitForSelector("[data-player=alice]");
  await watcher.waitForSelector("[data-player=alice]");
  await alice.bringToFront();
  const picture = () => alice.evaluate(() => document.querySelector("#field").toDataURL());
  const before = await picture();
  await alice.keyboard.down("ArrowRight");
  const deadline = Date.now() + 10_000;
  while ((await picture()) === before) assert.ok(Date.now() < deadline, "the disc does not move");
  await alice.keyboard.up("ArrowRight");
  await shoot(alice, "arena");
  await context.close();
}
