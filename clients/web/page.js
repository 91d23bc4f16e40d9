// The demo page: lobby, frame of the room, and the connection. The games draw themselves (board.js, chat.js); state.js draws any other.

import { Client } from "./grandstand.js";
import { MemoryTable } from "./board.js";
import { RelayTable } from "./chat.js";
import { StateTable } from "./state.js";

const GAMES = { memory: MemoryTable, relay: RelayTable };
const PING_MS = 5_000;
const LOG_LINES = 100;
const WHY_CLOSED = {
  1000: "You have left",
  4001: "The server does not accept the token",
  4003: "The token does not allow this, or was revoked",
  4009: "You joined from another tab or device, which replaced this one",
};

const $ = (selector) => document.querySelector(selector);
const form = $("#join");
const asked = new URLSearchParams([...new URLSearchParams(location.search), ...new URLSearchParams(location.hash.slice(1))]);

let client = null;
let room = null;
let table = null;
let rtt = null;
let skew = 0; // the server's clock minus ours

form.user.value = asked.get("user") || recall("user") || `player-${Math.random().toString(36).slice(2, 6)}`;
form.room.value = asked.get("room") || "memory-1";
chooseGame();
form.role.value = asked.get("role") === "spectator" ? "spectator" : "player";
if (asked.get("rows") && asked.get("cols")) {
  const size = `${Number(asked.get("rows"))}x${Number(asked.get("cols"))}`;
  if (![...form.size.options].some((option) => option.value === size)) form.size.add(new Option(size));
  form.size.value = size;
}
if (asked.get("players")) form.players.value = asked.get("players");
showParams();

form.game.onchange = () => {
  form.room.value = form.room.value.replace(/^[^-]*/, form.game.value);
  showParams();
};
form.room.oninput = () => {
  chooseGame();
  showParams();
};
form.onsubmit = (event) => {
  event.preventDefault();
  enter();
};
$("#leave").onclick = () => {
  room.leave();
  client.close();
};
$("#share").onclick = async () => {
  const link = linkFor({});
  try {
    await navigator.clipboard.writeText(link);
    $("#share").textContent = "Copied";
    setTimeout(() => ($("#share").textContent = "Copy link"), 1500);
  } catch {
    prompt("The link to this room", link); // no clipboard without https
  }
};
addEventListener("online", () => client?.retry());
setInterval(() => table?.tick(Date.now() + skew), 250);
if (asked.get("room") && form.checkValidity()) enter();

function enter() {
  const user = form.user.value.trim();
  const name = form.room.value;
  const role = form.role.value;
  remember("user", user);
  history.replaceState(null, "", linkFor({ role: role === "spectator" ? role : null }));
  $("#problem").hidden = true;
  $("#log").replaceChildren();
  $("#people").replaceChildren();
  $("#viewers").textContent = "";
  $("#name").textContent = name;
  $("#another").href = linkFor({ role: null });
  $("#watch").href = linkFor({ role: "spectator" });

  const url = new URL("v1/ws", location.href.replace(/[?#].*/, ""));
  url.protocol = url.protocol.replace("http", "ws");
  const token = asked.get("token");
  if (!token) url.searchParams.set("user", user);
  client = new Client(url, { token, ping_ms: PING_MS, on: { state: showState, notice, error: problem, rtt: showRtt } });
  table = new (GAMES[gameOf(name)] ?? StateTable)({ user, log, input: send, live: (data) => room.live(data) });
  room = client.join(name, {
    role: role === "spectator" ? role : undefined,
    params: role === "player" ? table.params(form) : undefined,
    on: {
      joined: (message) => {
        $("#lobby").hidden = true;
        $("#room").hidden = false;
        table.setRole(message.role);
        log(message.instance ? `In ${name} as ${message.role}` : `${name} does not exist yet: waiting for its first player`);
      },
      snapshot: (data) => table.snapshot(data),
      update: (data) => table.update(data, room.state),
      direct: (data) => table.direct(data),
      live: (data) => table.live(data),
      presence: showPresence,
      restarted: () => log("The room was created again"),
      rolledBack: ({ from, to }) => log(`The server lost the inputs ${from} to ${to}`),
      left: ({ code }) => leave(code),
    },
  });
}

function leave(code) {
  log(`Left the room: ${code}`);
  table?.setRole(null);
  if (code === "left" || $("#room").hidden) {
    client.close();
    $("#lobby").hidden = false;
    $("#room").hidden = true;
    history.replaceState(null, "", location.pathname);
    if (code !== "left") problem({ code, message: WHY_CLOSED[code] });
  }
}

async function send(data) {
  const outcome = await room.input(data);
  if (!outcome.ok) log(`Rejected: ${outcome.message || outcome.code}`);
  return outcome;
}

function showState(state, detail) {
  $("#connection").dataset.state = state;
  const words = {
    connecting: () => "connecting…",
    open: () => "connected",
    waiting: () => `lost, reconnecting in ${(detail.retry_in_ms / 1000).toFixed(1)} s`,
    closed: () => WHY_CLOSED[detail.code] ?? `closed (${detail.code})`,
  };
  $("#connection").textContent = words[state]();
  if (state !== "connecting") log(`Connection: ${words[state]()}`);
  if (state === "closed" && detail.code !== 1000) {
    problem({ code: detail.code, message: `${WHY_CLOSED[detail.code]}${detail.reason ? ` (${detail.reason})` : ""}.` });
  }
}

function showRtt(ms, pong) {
  rtt = ms;
  skew = pong.time_ms + ms / 2 - Date.now();
  if (client.state === "open") $("#connection").textContent = `connected · ${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`;
}

function showPresence({ players, viewers }) {
  const list = Array.isArray(players) ? players : [];
  table.people = list.map((player) => ({ ...player }));
  table.drawPeople($("#people"));
  const count = Array.isArray(players) ? "" : `${players} players, `;
  $("#viewers").textContent = `${count}${viewers} watching`;
}

function notice(message) {
  log(`Notice: ${message.code}`);
}

function problem({ code, message }) {
  log(`Error: ${message ?? code}`);
  $("#problem").textContent = message ? `${message}` : `The server says: ${code}`;
  $("#problem").hidden = false;
}

function log(text) {
  const line = document.createElement("li");
  line.textContent = `${new Date().toTimeString().slice(0, 8)} ${text}`;
  $("#log").prepend(line);
  while ($("#log").children.length > LOG_LINES) $("#log").lastChild.remove();
}

// A link leaves the name out, because another person opens it.
function linkFor(changes) {
  const { rows, cols, players } = Object.fromEntries(asked);
  const fields = { room: form.room.value, role: form.role.value === "spectator" ? "spectator" : null, rows, cols, players, ...changes };
  const link = new URL(location.pathname, location.href);
  for (const [key, value] of Object.entries(fields)) if (value) link.searchParams.set(key, value);
  return link.href;
}

// The list has the games with a page of their own. Any other is added when a room of it is named.
function chooseGame() {
  const game = gameOf(form.room.value);
  if (!game) return;
  const other = [...form.game.options].find((option) => !(option.value in GAMES));
  if (game in GAMES) other?.remove();
  else if (other) other.value = other.textContent = game;
  else form.game.add(new Option(game, game));
  form.game.value = game;
}

function showParams() {
  $("#params").hidden = form.game.value !== "memory";
}

function gameOf(name) {
  return name.split("-")[0];
}

// Stored per tab, so that two tabs are two players. A browser may forbid storage.
function remember(key, value) {
  try {
    sessionStorage.setItem(`grandstand.${key}`, value);
  } catch {}
}

function recall(key) {
  try {
    return sessionStorage.getItem(`grandstand.${key}`);
  } catch {
    return null;
  }
}
