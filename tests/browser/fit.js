// A phone on its side shows a game at once: no part of it needs scrolling.
//
//   node fit.js http://127.0.0.1:8080 [folder for screenshots]
//
// Needs a running `grandstand dev` and Chromium.

import assert from "node:assert/strict";
import { newContext, open, run, shoot, suffix } from "./lib.js";

const SIZES = [
  { width: 844, height: 390 },
  { width: 667, height: 375 },
];

await run({
  "a small board of memory": () => fits("4x4", "memory", "&rows=4&cols=4&bots=1", "#board.mine", ["#board", "#status", ".players"]),
  "a wide board": () => fits("4x6", "memory", "&rows=4&cols=6&bots=1", "#board.mine", ["#board", "#status", ".players"]),
  "the largest board, and four players": () =>
    fits("6x6", "memory", "&rows=6&cols=6&bots=3&players=4", "#board.mine", ["#board", "#status", ".players"]),
  "an invitation": () => fits("waiting", "memory", "", "#board", ["#board", "#status", ".invitation"]),
  "the arena": () => fits("arena", "arena", "", "[data-player=alice]", ["#field", ".players"]),
  "a chat": () => fits("chat", "relay", "", "#say", ["#lines", "#say button"]),
});

async function fits(name, game, params, selector, parts) {
  const context = await newContext({ viewport: SIZES[0], hasTouch: true, isMobile: true });
  const page = await open(context, `/?room=${game}-${suffix}-${name}&user=alice&turn_ms=600000${params}`);
  await page.waitForSelector(selector);
  for (const size of SIZES) {
    await page.setViewportSize(size);
    for (const part of parts) {
      const box = await (await page.$(part)).boundingBox();
      const text = `${name} at ${size.width}×${size.height}: ${part} is at ${JSON.stringify(box)}`;
      assert.ok(box.x >= 0 && box.x + box.width <= size.width && box.y + box.height <= size.height, text);
    }
    if (game === "memory") {
      const card = await (await page.$("[data-card]")).boundingBox();
      assert.ok(card.width >= 36 && card.height >= 36, `${name}: a card of ${card.width}×${card.height} is hard to touch`);
    }
  }
  await page.setViewportSize(SIZES[0]);
  await shoot(page, `side-${name}`);
  await context.close();
}
