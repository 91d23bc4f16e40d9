// Players of the game `relay` for k6: pairs join rooms through the front, send an input every two seconds, and wait for its ack.
//
//   k6 run -e URL=wss://play.example.com/v1/ws -e SECRET=… -e PLAYERS=1000 -e SECONDS=60 deploy/loadtest/play.js
//
// The exit code is 99 if a target is missed: connects in less than 2 s and acks in less than 1 s (95 % of them), more than 95 % of
// the players connected, less than 1 % of the inputs without an ack.

import { check } from 'k6';
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import exec from 'k6/execution';
import { Rate, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/experimental/websockets';

const players = Number(__ENV.PLAYERS || 100);
const seconds = Number(__ENV.SECONDS || 60);
const url = __ENV.URL || 'ws://127.0.0.1:7777/v1/ws';
const run = encoding.b64encode(crypto.randomBytes(6), 'rawurl').replace(/[^a-zA-Z0-9]/g, 'x');

const connects = new Trend('connect_ms', true);
const acks = new Trend('ack_ms', true);
const connected = new Rate('connected');
const acked = new Rate('acked');

export const options = {
    scenarios: { players: { executor: 'per-vu-iterations', vus: players, iterations: 1, maxDuration: `${seconds + 30}s` } },
    thresholds: {
        connect_ms: ['p(95)<2000'],
        ack_ms: ['p(95)<1000'],
        connected: ['rate>0.95'],
        acked: ['rate>0.99'],
    },
};

// All players share the name of the run, which makes rooms of their own.
export const setup = () => run;

function token(player) {
    const part = (value) => encoding.b64encode(JSON.stringify(value), 'rawurl');
    const claims = { sub: player, exp: Math.floor(Date.now() / 1000) + seconds + 300, rooms: { 'relay-*': 'player' } };
    const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `${signed}.${crypto.hmac('sha256', __ENV.SECRET, signed, 'base64rawurl')}`;
}

export default function (name) {
    const number = exec.vu.idInTest;
    const room = `relay-${name}-${Math.floor(number / 2)}`;
    const begun = Date.now();
    const socket = new WebSocket(`${url}?token=${token(`k6-${name}-${number}`)}`, ['grandstand.v1.json']);
    const sent = {};
    let seq = 0, answered = 0, welcomed = false, timer;

    function input() {
        seq += 1;
        sent[seq] = Date.now();
        socket.send(JSON.stringify({ type: 'input', room, seq, data: { n: seq } }));
    }
    function end() {
        clearInterval(timer);
        connected.add(welcomed);
        for (let each = 1; each <= seq; each += 1) acked.add(each <= answered);
        check(null, { 'the player was welcomed': () => welcomed });
    }
    socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === 'welcome') {
            welcomed = true;
            connects.add(Date.now() - begun);
            socket.send(JSON.stringify({ type: 'join', room }));
        } else if (message.type === 'joined') {
            // Not all players at the same time.
            setTimeout(() => { timer = setInterval(input, 2000); }, Math.random() * 2000);
        } else if (message.type === 'ack') {
            for (; answered < message.seq; answered += 1) acks.add(Date.now() - sent[answered + 1]);
        }
    };
    socket.onclose = end;
    setTimeout(() => clearInterval(timer), seconds * 1000);
    // What was sent has a second to be answered.
    setTimeout(() => socket.close(), seconds * 1000 + 1000);
}
