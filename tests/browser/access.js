// Checks with axe-core that everybody can use the page: each view, light and dark, on a desktop and on a phone.
//
//   node access.js http://127.0.0.1:8080
//
// Needs a running `grandstand dev` and Chromium.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { newContext, open, run, suffix, until } from "./lib.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] } };
const SIZES = { desktop: { width: 1280, height: 860 }, phone: { width: 360, height: 740 }, side: { width: 740, height: 360 } };
const ALL = { light: ["desktop", "phone", "side"], dark: ["desktop", "phone"] };
const SOME = { light: ["desktop"], dark: ["phone"] }; // enough for views that share everything with others

await run({
  "the lobby": () => everywhere("lobby", "/", "main", ALL),
  "a room that waits": () => everywhere("waiting", `/?room=memory-${suffix}-w&user=alice`, "#board"),
  "a game, and its panels": () => everywhere("game", `/?room=memory-${suffix}-g&user=alice&bots=1&turn_ms=600000`, "#board.mine", ALL, panels),
  "a chat": () => everywhere("chat", `/?room=relay-${suffix}&user=alice`, "#say"),
  "the arena": () => everywhere("arena", `/?room=arena-${suffix}&user=alice`, "[data-player=alice]"),
  "a room that nobody has opened": () => everywhere("empty", `/?room=memory-${suffix}-e&role=spectator`, ".notice"),
  "a refusal": () => everywhere("refused", `/?room=chess-${suffix}`, ".notice"),
  "a refused token": () => everywhere("token", `/?room=relay-${suffix}-t#token=a.b.c`, ".guest"),
  "a refused token in the lobby": () => everywhere("token in the lobby", "/#token=a.b.c", ".guest"),
  "players who are away or have left": absent,
  "keys reach everything, in order": keys,
  "nothing moves for people who do not want it": calm,
});

async function everywhere(name, path, selector, where = SOME, then) {
  for (const [colorScheme, sizes] of Object.entries(where)) {
    const context = await newContext({ colorScheme, reducedMotion: "reduce" });
    const page = await open(context, path, { expected: /Failed to load resource.* 401/ });
    await page.waitForSelector(selector);
    for (const size of sizes) {
      await page.setViewportSize(SIZES[size]);
      await check(page, `${name}, ${colorScheme}, ${size}`);
      if (SOME[colorScheme].includes(size)) await then?.(page, `${name}, ${colorScheme}, ${size}`);
    }
    await context.close();
  }
}

async function absent() {
  const context = await newContext({ reducedMotion: "reduce" });
  const path = `/?room=memory-${suffix}-absent&players=3&turn_ms=600000`;
  const [alice, bob, carol] = [await open(context, `${path}&user=alice`), await open(context, `${path}&user=bob`), await open(context, `${path}&user=carol`)];
  for (const page of [alice, bob, carol]) await page.waitForSelector("#board");
  await bob.close();
  await carol.click("#leave");
  for (const state of ["away", "left"]) await alice.waitForSelector(`#people .${state}`);
  for (const colorScheme of ["light", "dark"]) {
    await alice.emulateMedia({ colorScheme });
    await check(alice, `absent, ${colorScheme}`);
  }
  await context.close();
}

async function panels(page, name) {
  for (const tab of ["stadium", "plug", "inspector"]) {
    await page.click(`#tab-${tab}`);
    await page.waitForSelector(`#${tab}`);
    await check(page, `${name}, ${tab}`);
  }
  await page.click("#tab-people");
}

/** Runs axe in the page, past its policy, and fails on any violation; also if the page is wider than the window. */
async function check(page, name) {
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  await session.detach();
  const { violations } = await page.evaluate((rules) => window.axe.run(document, rules), RULES);
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`);
  assert.deepEqual(violations.map(({ id }) => id), [], `${name}:\n${told.join("\n")}`);
  const [wanted, has] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wanted <= has, `${name}: the page is ${wanted} wide in a window of ${has}`);
}

async function keys() {
  const context = await newContext();
  const page = await open(context, `/?room=memory-${suffix}-k&user=alice&bots=1&turn_ms=600000`);
  await page.waitForSelector("#board.mine");
  const reached = [];
  for (let step = 0; step < 7; step++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const { activeElement } = document;
      const style = getComputedStyle(activeElement);
      return { name: activeElement.id || activeElement.className || activeElement.tagName, outline: style.outlineStyle, width: style.outlineWidth };
    });
    reached.push(at.name);
    assert.notEqual(at.outline === "none" || at.width === "0px", true, `${at.name} has no visible focus`);
  }
  const card = reached.findIndex((name) => name.startsWith("card-button"));
  const tab = reached.indexOf("tab-people");
  assert.ok(reached.includes("leave") && card > 0 && tab > card, `first the way out, then the board, then the panels: ${reached}`);
  assert.equal(reached.filter((name) => name.startsWith("card-button")).length, 1, "one stop for the whole board");
  await page.focus("#tab-people");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-stadium", "arrow keys move between tabs");
  assert.equal(await page.getAttribute("#tab-stadium", "aria-selected"), "true");
  // A screen reader hears whose turn it is, and what a card shows.
  assert.equal(await page.getAttribute("#status", "role"), "status");
  assert.match(await page.getAttribute('[data-card="0"]', "aria-label"), /^Card 1, row 1, column 1: face down$/);
  await page.click('[data-card="0"]');
  await until(page, () => / (?!face down)\w+$/.test(document.querySelector('[data-card="0"]').ariaLabel));
  await page.click("#leave");
  await until(page, () => document.activeElement.tagName === "H1");
  await context.close();
}

async function calm() {
  const context = await newContext({ reducedMotion: "reduce" });
  const page = await open(context, `/?room=memory-${suffix}-c&user=alice&bots=1`);
  await page.waitForSelector("#board");
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll("*")].filter((element) => {
      const { animationName, transitionDuration } = getComputedStyle(element);
      return animationName !== "none" || !/^0s/.test(transitionDuration);
    }).map((element) => element.className),
  );
  assert.deepEqual(moving, []);
  await context.close();
}
