// The page of `arena`: draws its frames on a canvas, and sends the keys or the finger as controls.

import { Client } from "./grandstand.js";
import { Motion, direction } from "./motion.js";

const PING_MS = 5_000;
const SAME_AGAIN_MS = 500; // controls are lossy, so the current one is repeated
const DISC = 32;
const COIN = 14;
const KEYS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  KeyA: [-1, 0], KeyD: [1, 0], KeyW: [0, -1], KeyS: [0, 1],
};

const $ = (selector) => document.querySelector(selector);
const asked = new URLSearchParams(location.search);
const user = asked.get("user") || `player-${Math.random().toString(36).slice(2, 6)}`;
const name = asked.get("room") || "arena-1";
const watches = asked.get("role") === "spectator";
const canvas = $("#field");
const paint = canvas.getContext("2d");
const motion = new Motion();
const down = new Set();
let drag = null; // where a finger began, and where it is
let field = { width: 1600, height: 900, scores: {} };
let role = null;
let sent = { x: 0, y: 0, at: 0 };

const url = new URL("v1/ws", location.href.replace(/[?#].*/, ""));
url.protocol = url.protocol.replace("http", "ws");
const token = asked.get("token");
if (!token) url.searchParams.set("user", user);
const client = new Client(url, { token, ping_ms: PING_MS, on: { state: showState, error: problem, rtt: showRtt } });
const room = client.join(name, {
  role: watches ? "spectator" : undefined,
  on: {
    joined: (message) => {
      role = message.role;
      $("#help").hidden = role !== "player";
    },
    snapshot: show,
    update: () => show(room.state),
    live: (frame) => motion.add(frame, performance.now()),
    presence: ({ viewers }) => ($("#viewers").textContent = `${viewers} watching`),
    left: ({ code }) => problem({ code, message: `You left the room: ${code}` }),
  },
});
$("#name").textContent = name;
for (const [id, more] of [["#another", {}], ["#watch", { role: "spectator" }]]) {
  $(id).href = `?${new URLSearchParams({ room: name, ...more })}`;
}

addEventListener("keydown", (event) => key(event, true));
addEventListener("keyup", (event) => key(event, false));
addEventListener("blur", () => {
  down.clear();
  drag = null;
  steer();
});
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  drag = { from: [event.clientX, event.clientY], to: [event.clientX, event.clientY] };
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  drag.to = [event.clientX, event.clientY];
  steer();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => {
    drag = null;
    steer();
  });
}
addEventListener("online", () => client.retry());
setInterval(() => steer(true), SAME_AGAIN_MS);
requestAnimationFrame(draw);

function key(event, isDown) {
  if (!KEYS[event.code] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (isDown) down.add(event.code);
  else down.delete(event.code);
  steer();
}

// Sends where the player wants to go, if that has changed, or if it may have been lost.
function steer(again = false) {
  if (role !== "player") return;
  const wish = direction([...down].map((code) => KEYS[code]), drag);
  const isSame = wish.x === sent.x && wish.y === sent.y;
  const now = performance.now();
  if (again ? now - sent.at < SAME_AGAIN_MS : isSame) return;
  if (drag && !again && now - sent.at < 33) return; // a finger moves more often than the arena
  sent = { ...wish, at: now };
  room.live(wish);
}

function show(view) {
  field = view;
  const scores = Object.entries(view.scores).sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  $("#people").replaceChildren(
    ...scores.map(([id, score]) => {
      const item = document.createElement("li");
      item.className = "connected";
      item.style.setProperty("--hue", hue(id));
      item.append(text("who", id === user && role === "player" ? `${id} (you)` : id), text("score", score));
      return item;
    }),
  );
}

function text(kind, content) {
  const element = document.createElement("span");
  element.className = kind;
  element.textContent = content;
  return element;
}

function draw() {
  const scale = resize();
  const style = getComputedStyle(document.body);
  const colour = (variable) => style.getPropertyValue(variable).trim();
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.fillStyle = colour("--panel");
  paint.fillRect(0, 0, field.width, field.height);
  paint.strokeStyle = colour("--line");
  paint.lineWidth = 1;
  for (let at = 100; at < field.width; at += 100) line(at, 0, at, field.height);
  for (let at = 100; at < field.height; at += 100) line(0, at, field.width, at);
  const now = motion.at(performance.now());
  for (const [x, y] of now.coins) {
    circle(x, y, COIN, "#e0a820", "#a87400");
  }
  paint.textAlign = "center";
  paint.font = "600 22px system-ui, sans-serif";
  for (const [id, [x, y]] of Object.entries(now.discs)) {
    const own = id === user && role === "player";
    circle(x, y, DISC, `hsl(${hue(id)} 65% 52%)`, own ? colour("--ink") : `hsl(${hue(id)} 65% 35%)`, own ? 5 : 3);
    paint.fillStyle = colour("--ink");
    paint.fillText(id, x, y > 70 ? y - DISC - 10 : y + DISC + 26);
  }
  requestAnimationFrame(draw);
}

function line(x1, y1, x2, y2) {
  paint.beginPath();
  paint.moveTo(x1, y1);
  paint.lineTo(x2, y2);
  paint.stroke();
}

function circle(x, y, radius, fill, edge, width = 3) {
  paint.beginPath();
  paint.arc(x, y, radius, 0, 2 * Math.PI);
  paint.fillStyle = fill;
  paint.fill();
  paint.strokeStyle = edge;
  paint.lineWidth = width;
  paint.stroke();
}

// Fits the canvas into the page, with the pixels of the screen. Returns the pixels of one unit of the field.
function resize() {
  const box = $("#stage").getBoundingClientRect();
  const unit = Math.min(box.width / field.width, (innerHeight - 90) / field.height);
  const [width, height] = [field.width * unit, field.height * unit];
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    [canvas.width, canvas.height] = [w, h];
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  return unit * ratio;
}

function hue(id) {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.codePointAt(0)) % 360;
  return sum;
}

function showState(state, detail) {
  $("#connection").dataset.state = state;
  const words = { connecting: "connecting…", open: "connected", waiting: "lost, reconnecting", closed: `closed (${detail?.code})` };
  $("#connection").textContent = words[state];
  if (state === "open") $("#problem").hidden = true;
}

function showRtt(ms) {
  if (client.state === "open") $("#connection").textContent = `connected · ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function problem({ code, message }) {
  $("#problem").textContent = message ?? `The server says: ${code}`;
  $("#problem").hidden = false;
}
