// Who is in a room: the same player after a reload, other people as they come and go, and what helps against a bad token.
//
//   node person.js http://127.0.0.1:8080 [folder for screenshots]
//
// Needs a running `grandstand dev`, its key of tokens in GRANDSTAND_SECRET, and Chromium.

import assert from "node:assert/strict";
import { newContext, open, run, shoot, suffix, tokenFor, until, untilText } from "./lib.js";

const FAILS = /WebSocket|Failed to load resource|ERR_/;
const SOCKET = /\/v1\/ws/;

await run({
  "a player with a token is the same one after a reload": reloadWithToken,
  "a guest is the same one after a reload": reloadAsGuest,
  "the lobby keeps a token, too": reloadLobby,
  "players are connected, away, or have left": whereabouts,
  "a token that has expired: as a guest": expiredToken,
  "a token that has expired: with another one": anotherToken,
  "a bad token in the lobby": lobbyToken,
  "a token that expires during a game": endedToken,
});

/** Makes the server one that wants a token of everybody. */
function refuseGuests(page) {
  return page.routeWebSocket(SOCKET, (socket) => {
    if (!new URL(socket.url()).searchParams.has("user")) return socket.connectToServer();
    socket.send(JSON.stringify({ type: "error", code: "unauthenticated", message: "no token: give one" }));
    socket.close({ code: 4001, reason: "unauthenticated" });
  });
}

async function reloadWithToken() {
  const context = await newContext();
  const user = `ada-${suffix}`;
  const token = tokenFor(user);
  const room = `memory-${suffix}-reload`;
  const page = await open(context, `/?room=${room}&bots=1&turn_ms=600000#token=${token}`, { prepare: refuseGuests });
  await page.waitForSelector("#board.mine");
  await page.click('[data-card="0"]');
  const face = await until(page, () => document.querySelector('[data-card="0"]').dataset.face);
  assert.equal(page.url().includes(token), false, "the address does not show the token");

  await page.reload();
  await page.waitForSelector("#board.mine");
  assert.equal(new URL(page.url()).searchParams.get("room"), room);
  await untilText(page, ".chip", `playing as ${user}`);
  assert.equal(await page.getAttribute('[data-card="0"]', "data-face"), face, "it is the same game");
  await page.waitForSelector(`#people [data-player="${user}"].connected`);
  assert.equal((await page.$$("#people [data-player]")).length, 1, "nobody else came in");
  await page.click("#tab-inspector");
  await page.waitForSelector(".messages [data-type=joined]");
  assert.equal((await page.content()).includes(token), false, "no part of the page shows the token");
  await context.close();
}

async function reloadAsGuest() {
  const context = await newContext();
  const page = await open(context, `/?room=relay-${suffix}-guest&user=bo-${suffix}`);
  for (let visit = 0; visit < 2; visit++) {
    await page.waitForSelector("#say");
    await untilText(page, ".chip", `playing as bo-${suffix}`);
    assert.equal(new URL(page.url()).searchParams.has("user"), false, "the address is for other people, too");
    await page.reload();
  }
  await context.close();
}

async function reloadLobby() {
  const context = await newContext();
  const user = `cleo-${suffix}`;
  const page = await open(context, `/#token=${tokenFor(user)}`);
  for (let visit = 0; visit < 2; visit++) {
    await page.waitForSelector("[name=user]");
    assert.equal(await page.inputValue("[name=user]"), user);
    assert.equal(await page.getAttribute("[name=user]", "readonly") !== null, true, "the token fixes the name");
    assert.equal(new URL(page.url()).hash, "", "the address does not show the token");
    await page.reload();
  }
  await page.goto(new URL("/?user=dion", page.url()).href);
  assert.equal(await page.inputValue("[name=user]"), "dion", "an address that names somebody else is for that person");
  await context.close();
}

async function whereabouts() {
  const context = await newContext();
  const path = `/?room=memory-${suffix}-people&turn_ms=600000`;
  const ada = await open(context, `${path}&user=Ada`);
  await ada.waitForSelector("#board");
  const bo = await open(context, `${path}&user=Bo`);
  const shown = async (page, state) => {
    await until(page, (state) => document.querySelector("#people [data-player=Bo] .state")?.textContent === state, state);
    const plate = `.players [data-player=Bo].${state}`;
    await page.waitForSelector(plate);
    if (state !== "connected") await untilText(page, plate, state);
  };
  await shown(ada, "connected");
  await bo.close();
  await shown(ada, "away");
  await shoot(ada, "away");
  const back = await open(context, `${path}&user=Bo`);
  await shown(ada, "connected");
  await back.click("#leave");
  await shown(ada, "left");
  await shoot(ada, "left");
  await untilText(ada, "#log", "Bo left");
  const late = await open(context, `${path}&user=Cy&role=spectator`);
  await late.waitForSelector("#board");
  await shown(late, "left");
  await context.close();
}

async function expiredToken() {
  const context = await newContext();
  const user = `edda-${suffix}`;
  const path = `/?room=relay-${suffix}-expired#token=${tokenFor(user, -60)}`;
  const page = await open(context, path, { expected: FAILS });
  await untilText(page, ".notice h2", "The token has expired");
  assert.equal(await page.$("text=Try again"), null, "another try with the same token cannot help");
  await page.fill("[name=token]", "nonsense");
  await page.press("[name=token]", "Enter");
  await untilText(page, ".token-help .problem", "neither a token");
  await page.click("text=Go on as a guest");
  await page.waitForSelector("#say");
  await untilText(page, ".chip", `playing as ${user}`);
  await page.reload();
  await page.waitForSelector("#say");
  await context.close();
}

async function anotherToken() {
  const context = await newContext();
  const user = `finn-${suffix}`;
  const old = tokenFor(user, -60);
  const page = await open(context, `/?room=relay-${suffix}-again#token=${old}`, { expected: FAILS, prepare: refuseGuests });
  await untilText(page, ".notice h2", "The token has expired");
  await shoot(page, "token");
  await page.fill("[name=token]", old);
  await page.press("[name=token]", "Enter");
  await untilText(page, ".token-help .problem", "This is the token that the server refuses");
  assert.equal(await page.$("text=Go on as a guest"), null, "a server that lets no guests in is not offered to them");
  await page.fill("[name=token]", `http://play.example.com/?room=relay-1#token=${tokenFor(user)}`);
  await page.press("[name=token]", "Enter");
  await page.waitForSelector("#say");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "the focus is not lost with the form");
  await page.reload();
  await page.waitForSelector("#say");
  await untilText(page, ".chip", `playing as ${user}`);
  await context.close();
}

async function lobbyToken() {
  const context = await newContext();
  const page = await open(context, "/#token=a.b.c", { expected: FAILS });
  await untilText(page, ".notice", "The server says: the token is not a JWT.");
  await page.click("text=Go on as a guest");
  await until(page, () => !document.querySelector(".token-help"));
  assert.equal(await page.getAttribute("[name=user]", "readonly"), null, "a guest may take another name");
  await context.close();
}

async function endedToken() {
  const context = await newContext();
  let end;
  const prepare = (page) =>
    page.routeWebSocket(SOCKET, (socket) => {
      socket.connectToServer();
      end = () => {
        socket.send(JSON.stringify({ type: "error", code: "unauthenticated", message: "the token has expired" }));
        socket.close({ code: 4001, reason: "unauthenticated" });
      };
    });
  const user = `gus-${suffix}`;
  const page = await open(context, `/?room=relay-${suffix}-ended#token=${tokenFor(user)}`, { expected: FAILS, prepare });
  await page.waitForSelector("#say");
  await end();
  await untilText(page, ".notice h2", "The token has expired");
  assert.equal(await page.$("text=Connect again"), null, "a connection with the same token cannot help");
  await page.fill("[name=token]", tokenFor(user, 7200));
  await page.press("[name=token]", "Enter");
  await until(page, () => document.querySelector("#connection").dataset.state === "connected");
  await until(page, () => !document.querySelector(".notice"));
  await untilText(page, ".chip", `playing as ${user}`);
  await context.close();
}
