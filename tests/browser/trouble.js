// What the page says when something is wrong: each time words that tell what to do.
//
//   node trouble.js http://127.0.0.1:8080 [folder for screenshots]
//
// Needs a running `grandstand dev` and Chromium. The faults are made in the browser, between the page and the server.

import assert from "node:assert/strict";
import { base, newContext, open, run, shoot, suffix, until, untilText } from "./lib.js";

const FAILS = /WebSocket|Failed to load resource|ERR_/;
const SOCKET = /\/v1\/ws/;

await run({
  "no server": () => told((route) => route.abort(), "The server is not there", "grandstand dev"),
  "a captive portal": () => told(html(200), "This network wants a login", "log in to the network"),
  "a proxy in between": () => told(html(502), "Something else answers", "502"),
  "a wrong token": wrongToken,
  "an origin that the server refuses": refusedOrigin,
  "a version that the page does not know": unknownVersion,
  "a server without a lobby": noLobby,
  "a name that is none": badName,
  "a game that is none": noGame,
  "the same player in a second tab": replaced,
  "a room that nobody has opened yet": waitingSpectator,
});

function html(status) {
  return (route) => route.fulfill({ status, contentType: "text/html", body: "<h1>Log in</h1>" });
}

/** Opens a room while no WebSocket can be opened, and a plain request gets an answer. */
async function told(answer, title, text) {
  const context = await newContext();
  const prepare = async (page) => {
    await page.addInitScript(() => {
      // As a browser does it if nobody answers.
      window.WebSocket = class extends EventTarget {
        constructor() {
          super();
          setTimeout(() => {
            this.onerror?.(new Event("error"));
            const event = new CloseEvent("close", { code: 1006 });
            this.onclose?.(event);
            this.dispatchEvent(event);
          });
        }
        close() {}
      };
    });
    await page.route("**/v1/ws*", answer);
  };
  const page = await open(context, `/?room=memory-${suffix}&user=alice`, { expected: FAILS, prepare });
  await untilText(page, ".notice h2", title);
  assert.match(await page.textContent(".notice"), new RegExp(text));
  await page.waitForSelector(".notice >> text=Try now");
  await shoot(page, title.toLowerCase().replaceAll(/\W+/g, "-"));
  await context.close();
}

async function wrongToken() {
  const context = await newContext();
  const page = await open(context, `/?room=memory-${suffix}#token=a.b.c`, { expected: FAILS });
  await untilText(page, ".notice h2", "The token is not valid");
  assert.match(await page.textContent(".notice"), /new link/);
  assert.equal(page.url().includes("a.b.c"), false, "the address does not show the token");
  await context.close();
}

async function refusedOrigin() {
  const context = await newContext();
  const prepare = (page) =>
    page.routeWebSocket(SOCKET, (socket) => {
      const message = "the origin http://elsewhere is not allowed; add it to edge.origins";
      socket.send(JSON.stringify({ type: "error", code: "forbidden", message }));
      socket.close({ code: 4003, reason: "forbidden" });
    });
  const page = await open(context, `/?room=memory-${suffix}&user=alice`, { expected: FAILS, prepare });
  await untilText(page, ".notice h2", "The server refuses this page");
  assert.ok((await page.textContent(".notice")).includes(new URL(base).origin), "it says what to add");
  await context.close();
}

async function unknownVersion() {
  const context = await newContext();
  const prepare = (page) =>
    page.routeWebSocket(SOCKET, (socket) => {
      socket.send(JSON.stringify({ type: "welcome", protocol: 2, connection: "x", edge: "x", heartbeat_ms: 25_000, limits: {} }));
    });
  const page = await open(context, `/?room=memory-${suffix}&user=alice`, { expected: FAILS, prepare });
  await untilText(page, ".notice h2", "This page and the server do not fit");
  assert.match(await page.textContent(".notice"), /Reload/);
  await context.close();
}

async function noLobby() {
  const context = await newContext();
  const prepare = (page) =>
    page.route("**/v1/rooms*", (route) => route.fulfill({ status: 404, json: { type: "error", code: "not_found" } }));
  const page = await open(context, "/", { expected: FAILS, prepare });
  await untilText(page, ".rooms .empty", "edge.api");
  await context.close();
}

async function badName() {
  const context = await newContext();
  const page = await open(context, "/");
  await page.fill("[name=room]", "käse 1");
  await page.press("[name=room]", "Enter");
  await untilText(page, "#room-problem", "letters, digits");
  assert.equal(await page.getAttribute("[name=room]", "aria-invalid"), "true");
  await context.close();
}

async function noGame() {
  const context = await newContext();
  const page = await open(context, `/?room=chess-${suffix}&user=alice`);
  await untilText(page, ".notice h2", "There is no such game");
  assert.equal(await page.$("text=Try again"), null, "another try cannot help");
  await shoot(page, "no-such-game");
  await page.click(".notice [data-game=relay]");
  await page.waitForSelector("#say");
  await page.goBack();
  await untilText(page, ".notice h2", "There is no such game");
  await page.click("text=Back to the lobby");
  await page.waitForSelector("#join");
  assert.equal(new URL(page.url()).search, "");
  await context.close();
}

async function replaced() {
  const context = await newContext();
  const path = `/?room=relay-${suffix}-r&user=alice`;
  const first = await open(context, path);
  await first.waitForSelector("#say");
  const second = await open(context, path);
  await second.waitForSelector("#say");
  await untilText(first, ".notice h2", "You are playing somewhere else");
  await first.click("button >> text=Play here");
  await until(first, () => document.querySelector("#connection").dataset.state === "connected");
  await untilText(second, ".notice h2", "You are playing somewhere else");
  await context.close();
}

async function waitingSpectator() {
  const context = await newContext();
  const path = `/?room=memory-${suffix}-later`;
  const watcher = await open(context, `${path}&role=spectator&user=sue`);
  await untilText(watcher, ".notice h2", "Nobody has opened this room yet");
  const player = await open(context, `${path}&user=alice`);
  await player.waitForSelector("#board");
  await watcher.waitForSelector("#board[data-phase=waiting]");
  await context.close();
}
