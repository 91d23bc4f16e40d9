// Load with a foreign tool: k6 (https://k6.io) connects players in pairs to rooms of `relay`, sends inputs, and measures how long
// connects and acks take.
//
//   k6 run -e URL=wss://play.example.com -e SECRET=… deploy/loadtest/k6.js
//
//   URL       address for clients, without a path          (ws://127.0.0.1:8080)
//   SECRET    secret of the edges, to sign tokens with     (none: the names are believed, as `grandstand dev` does)
//   PROFILE   ramp, stress, spike or soak                  (ramp)
//   PLAYERS   most players at a time                       (1000, 2000, 5000 or 500)
//   MINUTES   how long that many play                      (1, 10, 1 or 60)
//   EVERY_MS  time between two inputs of a player          (5000)
//
// k6 exits with 99 if a target is missed: connects p95 < 2 s, acks p95 < 1 s, over 95 % of the inputs acked, under 1 % errors.

import encoding from "k6/encoding";
import crypto from "k6/crypto";
import exec from "k6/execution";
import { sleep } from "k6";
import { Counter, Rate, Trend } from "k6/metrics";
import ws from "k6/ws";

const URL = (__ENV.URL || "ws://127.0.0.1:8080").replace(/\/+$/, "");
const EVERY_MS = number("EVERY_MS", 5000);
const PROFILES = {
  ramp: { players: 1000, minutes: 1, up: 60 },
  stress: { players: 2000, minutes: 10, up: 60 },
  spike: { players: 5000, minutes: 1, up: 10 },
  soak: { players: 500, minutes: 60, up: 60 },
};
const name = __ENV.PROFILE || "ramp";
const profile = PROFILES[name];
if (!profile) throw new Error(`PROFILE is ${name}; it must be one of ${Object.keys(PROFILES).join(", ")}`);
const players = number("PLAYERS", profile.players);
const minutes = number("MINUTES", profile.minutes);
// The time after the start at which players leave.
const LAST_MS = (profile.up + Math.ceil(minutes * 60)) * 1000;

const connecting = new Trend("grandstand_connect", true);
const acking = new Trend("grandstand_ack", true);
const acked = new Rate("grandstand_acked");
const failed = new Rate("grandstand_failed");
const errors = new Counter("grandstand_errors");

export const options = {
  scenarios: {
    players: {
      executor: "ramping-vus",
      stages: [
        { duration: `${profile.up}s`, target: players },
        { duration: `${Math.ceil(minutes * 60)}s`, target: players },
        { duration: "5s", target: 0 },
      ],
      gracefulRampDown: "10s",
      gracefulStop: "10s",
    },
  },
  thresholds: {
    grandstand_connect: ["p(95)<2000"],
    grandstand_ack: ["p(95)<1000"],
    grandstand_acked: ["rate>0.95"],
    grandstand_failed: ["rate<0.01"],
  },
};

function number(key, otherwise) {
  const value = __ENV[key] === undefined ? otherwise : Number(__ENV[key]);
  if (!(value > 0)) throw new Error(`${key} is ${__ENV[key]}; it must be a number above 0`);
  return value;
}

// The login: a token as `grandstand token` makes it, or a name.
function login(user) {
  if (!__ENV.SECRET) return `user=${user}`;
  const part = (value) => encoding.b64encode(JSON.stringify(value), "rawurl");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, iat: now, exp: now + 86400, rooms: { "relay-*": "player" } })}`;
  return `token=${signed}.${crypto.hmac("sha256", __ENV.SECRET, signed, "base64rawurl")}`;
}

// One connection, until it closes or the run ends. k6 starts the next one, as a player would come back.
export default function () {
  const vu = exec.vu.idInTest;
  const room = `relay-k6-${exec.scenario.startTime}-${Math.floor(vu / 2)}`;
  const begun = Date.now();
  if (begun > exec.scenario.startTime + LAST_MS) return sleep(1); // the others leave
  const sent = new Map();
  let isWelcome = false;
  let seq = 0;

  const fail = (why) => {
    errors.add(1, { why });
    failed.add(true);
  };
  ws.connect(`${URL}/v1/ws?${login(`k6-${vu}`)}`, {}, (socket) => {
    const input = () => {
      seq += 1;
      sent.set(seq, Date.now());
      failed.add(false);
      socket.send(JSON.stringify({ type: "input", room, seq, data: { k6: seq } }));
    };
    socket.on("message", (text) => {
      const message = JSON.parse(text);
      switch (message.type) {
        case "welcome":
          isWelcome = true;
          failed.add(false);
          connecting.add(Date.now() - begun);
          socket.send(JSON.stringify({ type: "join", id: 1, room, role: "player" }));
          break;
        case "joined":
          seq = message.last_seq;
          socket.setInterval(input, EVERY_MS);
          break;
        case "ack":
          for (const [number, at] of sent) {
            if (number > message.seq) break;
            sent.delete(number);
            acking.add(Date.now() - at);
            acked.add(true);
          }
          break;
        case "error":
          fail(message.code);
          break;
        case "notice":
          if (message.code === "draining") socket.close();
          break;
      }
    });
    socket.on("error", (error) => fail(error.error()));
    socket.on("close", () => {
      // Inputs that were sent within the last second may be on their way.
      for (const at of sent.values()) if (Date.now() - at > 1000) acked.add(false);
    });
    // The run ends for this player before k6 cuts it off.
    socket.setTimeout(() => socket.close(), Math.max(1, exec.scenario.startTime + LAST_MS - Date.now()));
  });
  if (!isWelcome) {
    fail("connect");
    sleep(1);
  }
}
