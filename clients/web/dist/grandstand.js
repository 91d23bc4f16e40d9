// \0rolldown/runtime.js
var e = Object.defineProperty, t = (e, t, n) => () => {
	if (n) throw n[0];
	try {
		return e && (t = e(e = 0)), t;
	} catch (e) {
		throw n = [e], e;
	}
}, n = (t, n) => {
	let r = {};
	for (var i in t) e(r, i, {
		get: t[i],
		enumerable: !0
	});
	return n || e(r, Symbol.toStringTag, { value: "Module" }), r;
}, r = new Map(Object.entries({
	bad_data: "send JSON or bytes",
	bad_url: "use an address such as wss://play.example",
	forbidden: "use a token that grants this",
	no_websocket: "pass `WebSocket` of the package `ws`",
	replaced: "call `client.reconnect()` to play here",
	timeout: "check the server and the network",
	unauthenticated: "use a valid token, or `getToken`",
	unreachable: "check the server, its address and the network",
	unsupported_protocol: "update the client"
})), i = class extends Error {
	name = "GrandstandError";
	constructor(e, t, n = {}) {
		let i = n.hint ?? (!n.rejected && r.get(e) || "");
		super(i && !n.room && i !== t ? `${t}: ${i}` : t, n), this.code = e, this.hint = i, this.room = n.room, this.seq = n.seq, this.retryAfterMs = n.retryAfterMs;
	}
}, a = class extends i {
	name = "ConnectError";
	constructor(e, t, n = {}) {
		super(e, t, n), this.diagnosis = n.diagnosis, this.httpStatus = n.httpStatus;
	}
}, o = class extends i {
	name = "AuthError";
}, s = class extends i {
	name = "JoinError";
}, c = class extends i {
	name = "InputError";
	constructor(e, t, n = {}) {
		super(e, t, n), this.rejected = n.rejected ?? !1;
	}
}, l = {
	1002: "protocol_error",
	1003: "unsupported_data",
	1007: "bad_utf8",
	1008: "policy",
	1009: "too_big",
	1011: "internal",
	1012: "going_away",
	1013: "overloaded",
	4001: "unauthenticated",
	4003: "forbidden",
	4008: "timeout",
	4009: "replaced",
	4010: "timeout",
	4029: "rate_limited"
};
function u(e) {
	return {
		code: 1006,
		reason: "",
		opened: !1,
		detail: e?.message
	};
}
function d({ code: e, reason: t }, n) {
	return e === 4001 || e === 4003 ? "token" : e === 1013 || e === 4029 ? "retry_later" : e === 4008 && (n?.code ?? t) === "no_room" || [
		1002,
		1003,
		1007,
		4009
	].includes(e) ? "final" : "retry";
}
function f({ code: e, reason: t, opened: n, detail: r }, i) {
	let s = e === 4001 || e === 4003, c = t === "no_room" ? t : l[e], u = i?.code ?? c ?? (n ? "lost" : "unreachable"), d = c ? `: ${e} ${t}` : r ? ` (${r})` : "", f = i?.message || (n ? `the connection ended${d}` : `the server cannot be reached${d}`), p = s && f.includes("edge.origins") ? f : void 0, m = {
		retryAfterMs: i?.retry_after_ms,
		hint: p
	};
	return s ? new o(u, f, m) : new a(u, f, m);
}
// ../js/src/codec.ts
var p = {
	subprotocol: "grandstand.v1.json",
	isBinary: !1,
	encode({ payload: e, ...t }) {
		let n = JSON.stringify(t);
		if (!e) return n;
		let r = "json" in e ? `"data":${e.json}` : `"data_b64":"${ee(e.bytes)}"`;
		return `${n.slice(0, -1)},${r}}`;
	},
	decode(e) {
		if (typeof e != "string") throw TypeError("a binary frame");
		let t = JSON.parse(e);
		return typeof t?.data_b64 == "string" && (t.data = te(t.data_b64)), t;
	}
};
function m(e) {
	if (e instanceof Uint8Array) return {
		payload: { bytes: e.slice() },
		size: Math.ceil(e.length * 4 / 3)
	};
	try {
		let t = JSON.stringify(e);
		return t === void 0 ? null : {
			payload: { json: t },
			size: new TextEncoder().encode(t).length
		};
	} catch {
		return null;
	}
}
function ee(e) {
	let t = "";
	for (let n of e) t += String.fromCharCode(n);
	return btoa(t);
}
function te(e) {
	return Uint8Array.from(atob(e), (e) => e.charCodeAt(0));
}
// ../js/src/emitter.ts
var h = class {
	#e = /* @__PURE__ */ new Map();
	on(e, t) {
		let n = this.#e.get(e) ?? /* @__PURE__ */ new Set();
		return this.#e.set(e, n.add(t)), () => void n.delete(t);
	}
	emit(e, t) {
		for (let n of [...this.#e.get(e) ?? []]) try {
			n(...t);
		} catch (e) {
			(globalThis.reportError ?? console.error)(e);
		}
	}
};
// ../js/src/endpoint.ts
function ne(e, t) {
	let n;
	try {
		if (n = new URL(e, globalThis.location?.href), n.protocol = n.protocol.replace("http", "ws"), !/^wss?:$/.test(n.protocol)) throw n.protocol;
		if (n.hash = "", n.pathname === "/" && (n.pathname = "/v1/ws"), t) return {
			webSocket: n,
			webTransport: new URL(t, globalThis.location?.href)
		};
	} catch (n) {
		throw new a("bad_url", `${String(t ?? e)} is no address of a server`, { cause: n });
	}
	if (n.protocol !== "wss:") return {
		webSocket: n,
		webTransport: null
	};
	let r = n.href.replace("wss", "https").replace(/\/ws(?=$|\?)/, "/wt");
	return {
		webSocket: n,
		webTransport: new URL(r)
	};
}
// ../js/src/messages.ts
var g = {
	welcome: "#protocol",
	joined: "room role",
	left: "room code",
	snapshot: "room epoch #version",
	update: "room #version #prev",
	direct: "room",
	live: "room",
	ack: "room #seq",
	reject: "room #seq code",
	presence: "room",
	pong: "",
	notice: "code",
	error: "code"
}, _ = "#id #seq #last_seq #heartbeat_ms #reconnect_in_ms #retry_after_ms #player_count #viewers #n instance room message", re = /^(snapshot|update|direct|live)$/;
function ie(e) {
	if (typeof e != "object" || !e) return "bad";
	let t = e;
	if (typeof t.type != "string") return "bad";
	if (!Object.hasOwn(g, t.type)) return "unknown";
	let n = (e, n) => e.split(" ").every((e) => {
		let r = t[e.replace("#", "")];
		return n && r == null || (e[0] === "#" ? v(r) : !e || typeof r == "string");
	});
	return n(g[t.type], !1) && n(_, !0) && (!re.test(t.type) || t.data !== void 0) && (t.limits == null || Object.values(t.limits).every(v)) && (t.players == null || Array.isArray(t.players)) ? { message: e } : "bad";
}
function v(e) {
	return Number.isSafeInteger(e) && e >= 0;
}
// ../js/src/websocket.ts
var ae = 1, y = /^[\w!#$%&'*+.^`|~-]+$/;
function oe(e) {
	return ({ url: t, token: n, subprotocol: r }, i) => {
		let a = [r], o = new URL(t);
		n && y.test(n) ? a.push(`bearer.${n}`) : n && o.searchParams.set("token", n);
		let s = new e(o.href, a), c = !1, l;
		s.binaryType = "arraybuffer", s.onopen = () => {
			c = !0;
		};
		let u = (e, t) => {
			s.onclose && i.onClosed({
				code: e,
				reason: t,
				opened: c,
				detail: l
			}), s.onclose = null;
		};
		return s.onerror = (e) => {
			l = e?.message || e?.error?.message, c || setTimeout(u, 0, 1006, "");
		}, s.onmessage = ({ data: e }) => {
			i.onFrame(typeof e == "string" ? e : new Uint8Array(e));
		}, s.onclose = ({ code: e, reason: t }) => u(e, t), {
			send(e) {
				s.readyState === ae && s.send(e);
			},
			close() {
				s.onopen = s.onmessage = s.onclose = null;
				try {
					s.close(1e3);
				} catch {}
			}
		};
	};
}
// ../js/src/framing.ts
function b(e, t) {
	let { length: n } = t, r = n < 126 ? 2 : n < 65536 ? 4 : 10, i = new Uint8Array(r + n), a = new DataView(i.buffer);
	return i[0] = e, i[1] = n < 126 ? n : n < 65536 ? 126 : 127, r === 4 && a.setUint16(2, n), r === 10 && a.setBigUint64(2, BigInt(n)), i.set(t, r), i;
}
function x(e) {
	return typeof e == "string" ? b(129, new TextEncoder().encode(e)) : b(130, e);
}
function se(e, t) {
	return e === 129 ? new TextDecoder().decode(t) : t;
}
var S, C = t((() => {
	S = class {
		#e = [];
		#t = 0;
		#n = 2;
		push(e) {
			if (this.#e.push(e), this.#t += e.length, this.#t < this.#n) return [];
			let t = this.#r(), n = [];
			for (;;) {
				let e = {
					126: 4,
					127: 10
				}[t[1] ?? 0] ?? 2;
				if (this.#n = e, t.length < e) break;
				let r = new DataView(t.buffer, t.byteOffset), i = e === 2 ? t[1] ?? 0 : e === 4 ? r.getUint16(2) : Number(r.getBigUint64(2));
				if (this.#n = e + i, t.length < this.#n) break;
				n.push({
					opcode: t[0] ?? 0,
					payload: t.subarray(e, this.#n)
				}), t = t.subarray(this.#n);
			}
			return this.#e = [t], this.#t = t.length, n;
		}
		#r() {
			let [e] = this.#e;
			if (this.#e.length === 1 && e) return e;
			let t = new Uint8Array(this.#t), n = 0;
			for (let e of this.#e) t.set(e, n), n += e.length;
			return t;
		}
	};
}));
// ../js/src/webtransport.ts
function w(e, t, n) {
	return ({ token: r, subprotocol: i }, a) => {
		let o = new URL(t);
		return o.searchParams.set("protocol", i), r && o.searchParams.set("token", r), new T(new e(o.href, n), a);
	};
}
var T, ce = t((() => {
	C(), T = class {
		#e;
		#t;
		#n = null;
		#r = null;
		constructor(e, t) {
			this.#e = e, this.#t = t, e.closed.then(({ closeCode: e, reason: t }) => this.#s(e || 1006, t ?? ""), (e) => this.#s(1006, "", e?.message)), this.#i().catch((e) => this.#s(1006, "", e?.message));
		}
		send(e, t) {
			let n = x(e), { datagrams: r } = this.#e;
			((t && n.length <= r.maxDatagramSize ? this.#r : null) ?? this.#n)?.write(n).catch(() => {});
		}
		close() {
			this.#t = null, this.#c(1e3, "");
		}
		async #i() {
			await this.#e.ready;
			let { readable: e, writable: t } = await this.#e.createBidirectionalStream();
			this.#n = t.getWriter();
			let { datagrams: n } = this.#e;
			this.#r = (n.writable ?? n.createWritable?.())?.getWriter() ?? null, this.#a().catch(() => {});
			let r = new S(), i = e.getReader();
			for (;;) {
				let { value: e, done: t } = await i.read();
				if (t) return;
				for (let { opcode: t, payload: n } of r.push(e)) this.#o(t, n);
			}
		}
		async #a() {
			let e = this.#e.datagrams.readable.getReader();
			for (;;) {
				let { value: t, done: n } = await e.read();
				if (n) return;
				for (let { opcode: e, payload: n } of new S().push(t)) this.#o(e, n);
			}
		}
		#o(e, t) {
			if (e === 129 || e === 130) this.#t?.onFrame(se(e, t));
			else if (e === 137) this.#n?.write(b(138, t)).catch(() => {});
			else if (e === 136) {
				let e = t.length < 2 ? 1005 : new DataView(t.buffer, t.byteOffset).getUint16(0), n = new TextDecoder().decode(t.subarray(2));
				this.#s(e, n), this.#c(e, n);
			}
		}
		#s(e, t, n) {
			let r = this.#t;
			this.#t = null, r?.onClosed({
				code: e,
				reason: t,
				opened: this.#n !== null,
				detail: n
			});
		}
		#c(e, t) {
			try {
				this.#e.close({
					closeCode: e,
					reason: t
				});
			} catch {}
		}
	};
})), le = /* @__PURE__ */ n({
	raceDial: () => E,
	raceTransports: () => ue
});
function ue(e, t, n, r, i) {
	return E(w(e, t, n), r, i);
}
function E(e, t, n) {
	let r = 0;
	return (i, a) => {
		if (n() < r) return t(i, a);
		let o = /* @__PURE__ */ new Set(), s = null, c = !1, l = (l) => {
			let u = null, p = (t) => {
				if (u && o.delete(u), !(c || s && s !== u)) {
					if (l === e && t.code === 1006 && (r = n() + O), l === e && !s && o.size === 0) return d();
					o.size > 0 && !s || (c = !0, clearTimeout(f), a.onClosed(t));
				}
			}, m = (e) => {
				if (!c) {
					if (!s) {
						s = u, clearTimeout(f);
						for (let e of o) e !== u && e.close();
						l === t && (r = n() + O);
					}
					s === u && a.onFrame(e);
				}
			};
			try {
				u = l(i, {
					onFrame: m,
					onClosed: p
				}), o.add(u);
			} catch (e) {
				p({
					code: 1006,
					reason: "",
					opened: !1,
					detail: e?.message
				});
			}
		}, u = !1, d = () => {
			clearTimeout(f), u || s || c || (u = !0, l(t));
		}, f = setTimeout(d, D);
		return l(e), {
			send: (e, t) => s?.send(e, t),
			close() {
				c = !0, clearTimeout(f);
				for (let e of o) e.close();
			}
		};
	};
}
var D, O, k = t((() => {
	ce(), D = 1e3, O = 6e5;
}));
// ../js/src/platform.ts
function A(e, t) {
	let n = e.WebSocket ?? globalThis.WebSocket;
	if (!n) throw new a("no_websocket", "no WebSocket");
	let r = oe(n), i = e.WebTransport ?? globalThis.WebTransport;
	if (e.transport === "websocket" || !i || !t) return [r, !1];
	let { url: o, ...s } = e.webTransport ?? {};
	return [j(i, t, s, r), !0];
}
function j(e, t, n, r) {
	let i;
	return (a, o) => {
		let s = null, c = !1;
		return i ??= Promise.resolve().then(() => (k(), le)).then(({ raceTransports: i }) => i(e, t, n, r, N), () => r), i.then((e) => {
			c || (s = e(a, o));
		}).catch((e) => o.onClosed(u(e))), {
			send: (e, t) => s?.send(e, t),
			close() {
				c = !0, s?.close();
			}
		};
	};
}
function M(e) {
	if (!globalThis.document) return () => {};
	let t = () => e("online"), n = () => e(document.visibilityState);
	return addEventListener("online", t), document.addEventListener("visibilitychange", n), document.hidden && n(), () => {
		removeEventListener("online", t), document.removeEventListener("visibilitychange", n);
	};
}
function N() {
	return performance.now();
}
function P() {
	return crypto.getRandomValues(/* @__PURE__ */ new Uint32Array(4)).join("-");
}
// ../js/src/status.ts
function F(e, t, n) {
	return {
		state: e,
		why: t?.code ?? null,
		...t && { error: t },
		...n !== void 0 && { retryInMs: n }
	};
}
// ../js/src/room.ts
var I = class {
	name;
	state;
	private;
	role;
	presence;
	status = F("connecting");
	#e;
	#t;
	#n = new h();
	#r = null;
	constructor(e, t) {
		this.name = e.name, this.#e = e, this.#t = t;
	}
	on(e, t) {
		return this.#n.on(e, t);
	}
	send(e) {
		let t = m(e), n = t ? this.#t.send(this.#e, t.payload, t.size) : Promise.reject(new c("bad_data", "the data is no JSON", { room: this.name }));
		return n.catch(() => {}), n;
	}
	live(e) {
		let t = m(e);
		t && this.#t.live(this.#e, t.payload);
	}
	leave() {
		return this.#t.leave(this.#e);
	}
	handle(e) {
		this.#r ? this.#r.push(e) : this.#i(e);
	}
	hold() {
		this.#r = [], setTimeout(() => {
			for (let e = this.#r?.shift(); e; e = this.#r?.shift()) this.#i(e);
			this.#r = null;
		});
	}
	#i({ name: e, args: t, fields: n }) {
		Object.assign(this, n), this.#n.emit(e, e === "joined" ? [this] : t);
	}
}, L = class {
	#e;
	#t = 0;
	constructor({ minMs: e = 1e3, maxMs: t = 3e4, maxAttempts: n = Infinity } = {}) {
		this.minMs = e, this.maxMs = Math.max(e, t), this.#e = n;
	}
	fail(e) {
		if (++this.#t >= this.#e) return null;
		let t = Math.min(this.maxMs, this.minMs * 2 ** this.#t);
		return this.minMs + e * (t - this.minMs);
	}
	reset() {
		this.#t = 0;
	}
};
// ../js/src/effects.ts
function R(e, t) {
	let n = 0;
	return {
		...e,
		minMs: t,
		send(t, r) {
			let i = ++n;
			return e.put({
				do: "send",
				link: t,
				message: {
					id: i,
					...r
				}
			}), i;
		},
		settle: (t, n = null, r) => e.put({
			do: "settle",
			key: t,
			error: n,
			value: r
		})
	};
}
// ../js/src/peer.ts
var z = 25e3, B = 100, V = 1e4, H = 1e3, U = class {
	attempt;
	token;
	startedAt;
	welcomedAt = null;
	limits = {};
	refusal = null;
	isDegraded = !1;
	hasNamedInput = !1;
	#e = z;
	#t;
	#n = null;
	constructor(e, t, n) {
		this.attempt = e, this.token = t, this.startedAt = n, this.#t = n;
	}
	onWelcome(e, t) {
		this.welcomedAt = t, this.limits = e.limits ?? {}, this.#e = Math.max(e.heartbeat_ms || z, B);
	}
	onHeard(e) {
		this.#t = e, this.#n = null;
	}
	onPinged(e) {
		this.#n ??= e;
	}
	isOlder(e, t) {
		return this.welcomedAt !== null && t - this.welcomedAt >= e;
	}
	beatAt(e) {
		return this.welcomedAt === null ? Infinity : this.#n === null ? this.#t + this.#e * (e ? 2 : 1) : this.#n + Math.min(this.#e, V);
	}
	beat(e, t) {
		let n = this.beatAt(e);
		return t < n ? null : this.#n === null ? "ping" : t - n < H ? "dead" : (this.#n = null, "ping");
	}
}, de = 192, fe = 1024, pe = 64, me = class {
	#e;
	#t;
	#n = [];
	#r = 0;
	#i = 0;
	#a = null;
	constructor(e, t) {
		this.#e = e, this.#t = t;
	}
	get deadline() {
		return this.#a ?? Infinity;
	}
	add(e, t, n) {
		if (this.#n.length >= fe) return this.#t.settle(e, this.#s("busy", "too many inputs"));
		this.#n.push({
			key: e,
			payload: t,
			size: n,
			seq: 0,
			id: 0
		});
	}
	restart(e) {
		this.#a = null, this.#i = e, this.#r = Math.max(e, ...this.#n.map((e) => e.seq));
		for (let e of this.#n) e.id = 0;
	}
	poll(e, t) {
		if (!e || t < (this.#a ?? 0)) return;
		this.#a = null;
		let n = this.#n.filter((t) => t.size + de > (e.limits.message_bytes || Infinity));
		for (let e of n) this.#o(e, `${e.size} bytes are over the limit`);
		for (let t of this.#n.slice(0, e.limits.window || pe)) {
			if (t.id) continue;
			t.seq ||= ++this.#r;
			let { seq: n, payload: r } = t;
			t.id = this.#t.send(e, {
				type: "input",
				room: this.#e,
				seq: n,
				payload: r
			});
		}
	}
	onAck(e) {
		this.#i = Math.min(Math.max(this.#i, e), this.#r), this.#c((t) => t.seq > 0 && t.seq <= e);
	}
	onReject({ seq: e, code: t, message: n }) {
		let r = new c(t, n || "refused", {
			room: this.#e,
			seq: e,
			rejected: !0
		});
		return this.#c((t) => t.seq === e, r) ? r : null;
	}
	rollBack(e) {
		return e >= this.#i ? !1 : (this.#i = this.#r = e, this.#c((e) => e.seq > 0, this.#s("room_rolled_back", "the server lost inputs")), !0);
	}
	onRestarted(e = 0) {
		e === 0 && (this.#i = this.#r = 0);
		let t = this.#s("room_restarted", "the room was created again");
		this.#c((t) => e === 0 || t.seq >= e, t);
	}
	find({ id: e, seq: t }) {
		return e == null ? t == null ? void 0 : this.#n.find((e) => e.id > 0 && e.seq === t) ?? null : this.#n.find((t) => t.id === e) ?? (t == null ? void 0 : null);
	}
	pause(e) {
		this.#a = Math.max(this.#a ?? 0, e);
		for (let e of this.#n) e.id = 0;
	}
	get isPaused() {
		return this.#a !== null;
	}
	fail(e, t, n) {
		let { seq: r } = e;
		this.#c((t) => t === e, this.#s(t, n, r)), this.#r = r - 1;
		for (let e of this.#n) e.seq > r && (e.seq = e.id = 0);
	}
	failFrom(e, t, n) {
		this.#c((t) => t.seq === 0 || t.seq >= e.seq, this.#s(t, n, e.seq)), this.#a = Infinity;
	}
	failSent(e) {
		for (let t of this.#n.filter((e) => e.id > 0)) this.#o(t, e);
	}
	failAll(e) {
		this.#c(() => !0, W(e)), this.#a = null;
	}
	#o(e, t) {
		e.seq ? this.fail(e, "too_big", t) : this.#c((t) => t === e, this.#s("too_big", t));
	}
	#s(e, t, n) {
		return new c(e, t, {
			room: this.#e,
			seq: n
		});
	}
	#c(e, t) {
		let n = this.#n.filter(e);
		this.#n = this.#n.filter((e) => !n.includes(e));
		for (let { key: e, seq: r } of n) this.#t.settle(e, t, { seq: r });
		return n.length > 0;
	}
};
function W(e) {
	return e instanceof c ? e : new c(e.code, "the outcome is unknown", {
		room: e.room,
		cause: e
	});
}
// ../js/src/merge.ts
function G(e, t) {
	if (!K(t)) return t;
	let n = new Map(K(e) ? Object.entries(e) : []);
	for (let [e, r] of Object.entries(t)) r === null ? n.delete(e) : n.set(e, G(n.get(e), r));
	return Object.fromEntries(n);
}
function K(e) {
	return typeof e == "object" && !!e && !Array.isArray(e) && !(e instanceof Uint8Array);
}
// ../js/src/room-machine.ts
var he = 100, ge = class {
	#e;
	#t;
	#n;
	link = null;
	#r = null;
	#i = 0;
	#a = 0;
	#o = 0;
	#s = null;
	#c = -Infinity;
	#l = "";
	#u = null;
	#d = !1;
	#f;
	#p = -1;
	#m = null;
	#h = null;
	#g = !1;
	#_ = null;
	ended = null;
	refusal = null;
	constructor(e, t, n) {
		this.name = e, this.#e = t, this.#t = n, this.#n = new me(e, n);
	}
	get deadline() {
		return Math.min(this.#s ?? Infinity, this.link && !this.#_ ? this.#n.deadline : Infinity);
	}
	get isLeaving() {
		return this.#_ !== null;
	}
	enter(e) {
		let { role: t, params: n, token: r, datagrams: i } = this.#e;
		this.#s = null, this.#a = Math.max(this.#a, e.attempt), this.#i = this.#t.send(e, {
			type: "join",
			room: this.name,
			...t && { role: t },
			...n !== void 0 && { params: n },
			...this.#u !== null && {
				since: this.#u,
				epoch: this.#l
			},
			client: this.#t.client,
			attempt: e.attempt,
			...i && { datagrams: i },
			...r && { token: r }
		}), this.#r !== e && (this.#o = this.#i), this.#r = e;
	}
	send(e, t, n, r) {
		let i = this.ended ?? (this.#h === "spectator" ? J(this.name) : null);
		if (i) return this.#t.settle(e, W(i));
		this.#n.add(e, t, n), this.poll(r);
	}
	live(e) {
		let { link: t } = this;
		this.#h !== "spectator" && t && this.#t.send(t, {
			type: "live",
			room: this.name,
			payload: e
		});
	}
	leave(e) {
		let { link: t } = this;
		if (this.ended || !t) return this.giveUp(q(this.name)), this.#t.settle(e);
		if (this.#_) return void this.#_.keys.push(e);
		this.#_ = {
			keys: [e],
			id: this.#v(t)
		}, this.#n.failAll(q(this.name));
	}
	giveUp(e) {
		let t = this.#r ?? this.link;
		t && this.#v(t), this.end(e);
	}
	#v(e) {
		return this.#t.send(e, {
			type: "leave",
			room: this.name
		});
	}
	endLeft() {
		this.end(q(this.name));
	}
	poll(e, t = null) {
		this.#s !== null && e >= this.#s && t && this.enter(t), this.#_ || this.#n.poll(this.link, e);
	}
	repeat(e, t) {
		this.link === e && this.#n.pause(t), this.#r === e && (this.#s = t);
	}
	onLinkLost(e, t) {
		this.#r === e && (this.#r = null), this.link === e && (this.link = null, this.#_ ? this.endLeft() : this.onStatus(t));
	}
	onStatus(e) {
		this.#g && this.#M("status", [e], { status: e });
	}
	suspend(e, t) {
		this.link = this.#r = this.#s = null, this.#n.failAll(e), this.#_ || !this.#g ? this.end(e, !0) : this.onStatus(t);
	}
	onTooBig(e) {
		this.#n.failSent(e);
	}
	handle(e, t, n) {
		if (t.type === "joined") return this.#y(e, t, n);
		if (t.type === "error") return this.#D(e, t, n);
		if (t.type === "left") return this.#E(e, t);
		if (!(e !== this.link || this.#_)) switch (t.type) {
			case "snapshot": return this.#x(t);
			case "update": return this.#S(e, t, n);
			case "direct": return this.#M("direct", [t.data], { private: t.data });
			case "live": return t.n != null && t.n <= this.#p ? void 0 : (this.#p = t.n ?? this.#p, this.#M("live", [t.data]));
			case "presence": return this.#w(t);
			case "ack": return this.#n.onAck(t.seq), this.poll(n);
			case "reject": {
				let e = this.#n.onReject(t);
				return e && this.#M("reject", [e]), this.poll(n);
			}
		}
	}
	#y(e, t, n) {
		let r = this.#r === e && (t.id ?? this.#i) >= this.#o;
		if (!r && this.link !== e) return;
		let { role: i } = t, a = t.last_seq ?? 0, o = t.instance ?? null;
		this.link !== e && (this.#p = -1), r && (this.#r = this.#s = null), this.link = e;
		let s = r;
		this.#m !== null && o !== null && this.#m !== o ? (s = !0, this.#n.onRestarted(), this.#u = null, this.#M("reset", [{ why: "room_restarted" }])) : i === "player" && this.#n.rollBack(a) && (s = !0, this.#T(a)), this.#m = o ?? this.#m, this.#h = i, this.#M("joined", [], { role: i }), i === "player" ? (s && this.#n.restart(a), this.poll(n)) : this.#n.failAll(J(this.name)), this.#g ? this.onStatus(F("connected")) : o === null && this.#b();
	}
	#b() {
		this.#g || (this.#g = !0, this.onStatus(F("connected")), this.#t.put({
			do: "joined",
			room: this
		}));
	}
	#x({ epoch: e, version: t, data: n, patch: r }) {
		e === this.#l && this.#u !== null && t < this.#u || (this.#l = e, this.#u = t, this.#d = r === "merge", this.#f = n, this.#M("snapshot", [n, {
			version: t,
			epoch: e
		}], { state: n }), this.#M("change", [n]), this.#b());
	}
	#S(e, { version: t, prev: n, data: r }, i) {
		if (this.#u === null || t <= this.#u) return;
		if (n !== this.#u) return this.#C(e, i);
		let { reducer: a } = this.#e, o = this.#d || a !== void 0, c = this.#f;
		try {
			this.#d ? c = G(c, r) : a && (c = a(c, r));
		} catch (t) {
			let n = new s("reducer_failed", "the reducer failed", {
				room: this.name,
				cause: t
			});
			return this.#t.put({
				do: "emit",
				name: "error",
				args: [n]
			}), this.#C(e, i);
		}
		this.#u = t, this.#f = c, this.#M("update", [r, {
			version: t,
			prev: n
		}], { state: c }), o && this.#M("change", [c]);
	}
	#C(e, t) {
		if (this.#r && this.#r !== e) return;
		let n = this.#c + this.#t.minMs;
		this.#u = null, this.#c = Math.max(t, n), t >= n ? this.enter(e) : this.#s = n;
	}
	#w({ players: e, player_count: t, viewers: n }) {
		let r = {
			...t == null ? { players: e ?? [] } : { playerCount: t },
			viewers: n ?? 0
		};
		this.#M("presence", [r], { presence: r });
	}
	#T(e) {
		let t = new c("room_rolled_back", `the server lost the inputs after ${e}`, {
			room: this.name,
			seq: e
		});
		this.#u = null, this.#M("reset", [{
			why: "room_rolled_back",
			lastSeq: e
		}]), this.#t.put({
			do: "emit",
			name: "error",
			args: [t]
		});
	}
	#E(e, { id: t, code: n }) {
		let r = this.#r === e ? null : this.#r;
		(e === this.link || e === this.#r) && (n === "replaced" && e.attempt < this.#a ? this.link = null : (t == null || t === this.#_?.id) && (r && this.#v(r), this.end(new s(n, "the server ended it", { room: this.name }))));
	}
	#D(e, t, n) {
		let { id: r, code: i, seq: a } = t;
		if (e !== this.link && e !== this.#r) return;
		if (i === "room_rolled_back" && e === this.link) return this.#n.rollBack(a ?? 0), this.#T(a ?? 0), this.link = null, this.#C(e, n);
		if (i === "room_restarted" && r == null) return this.#n.onRestarted(a ?? Infinity);
		let o = this.#n.find(t);
		o ? this.#O(e, o, t, n) : o === void 0 && (r == null ? this.#r === e : r === this.#i) ? this.#k(e, t, n) : r != null && r === this.#_?.id ? this.endLeft() : o === void 0 && r == null && a == null && this.#t.put({
			do: "emit",
			name: "error",
			args: [this.#j(t)]
		});
	}
	#O(e, t, n, r) {
		let { code: i } = n, a = n.message || "refused";
		if (i === "busy" || i === "rate_limited" || this.#n.isPaused && i === "bad_seq") return this.#n.pause(r + this.#A(n));
		if (i === "bad_seq" || i === "not_joined") return i === "bad_seq" && this.#n.failFrom(t, i, a), this.#C(e, r);
		this.#n.fail(t, i, a), this.poll(r);
	}
	#k(e, t, n) {
		let { code: r } = t;
		r === "room_unavailable" || r === "rate_limited" || r === "busy" ? (r !== "room_unavailable" && (this.#r = this.link === e ? null : e), this.#s = n + this.#A(t), this.refusal = this.#j(t)) : this.end(this.#j(t));
	}
	#A({ retry_after_ms: e }) {
		return Math.max(e ?? this.#t.minMs, he);
	}
	#j({ code: e, message: t, retry_after_ms: n }) {
		let r = {
			room: this.name,
			retryAfterMs: n
		}, i = t || "refused";
		return e === "unauthenticated" ? new o(e, i, r) : new s(e, i, r);
	}
	end(e, t = !1) {
		if (this.ended) return;
		this.ended = e, this.link = this.#r = this.#s = null, this.#n.failAll(e);
		for (let n of this.#_?.keys ?? []) this.#t.settle(n, t ? e : null);
		let n = this.#g;
		n && this.onStatus(F("closed", e)), n && !t && this.#M("left", [e]), n || this.#t.put({
			do: "joined",
			room: this,
			error: e
		});
	}
	#M(e, t, n) {
		this.#t.put({
			do: "room_event",
			room: this,
			event: {
				name: e,
				args: t,
				...n && { fields: n }
			}
		});
	}
};
function q(e) {
	return new s("left", "the client left", { room: e });
}
function J(e) {
	return new s("forbidden", "a spectator only watches", { room: e });
}
// ../js/src/tokens.ts
var _e = 100, ve = class {
	current;
	#e;
	#t;
	#n;
	#r;
	#i = !1;
	#a = null;
	#o = 0;
	#s = null;
	#c = 0;
	#l = null;
	#u = null;
	constructor(e, t, n, r) {
		this.current = e, this.#e = t, this.#t = n, this.#n = r, this.#r = new L({
			minMs: n.minMs,
			maxMs: n.maxMs
		});
	}
	get deadline() {
		return Math.min(this.#a ?? Infinity, this.#u ?? Infinity);
	}
	poll(e, t) {
		this.#a !== null && e >= this.#a && this.#d(e), this.#u === null || e < this.#u || (this.#u = null, this.#l && t && this.#p(t, this.#l.token, this.#l.key));
	}
	get hasHope() {
		return this.#e || this.#s === null || this.current !== this.#s;
	}
	isUsable(e) {
		return this.#l && (this.current = this.#l.token), !this.#e || this.current !== void 0 && this.current !== this.#s || (this.#a === null && this.#d(e), !1);
	}
	set(e, t, n) {
		if (this.#m(), n) return this.#p(n, e, t);
		this.current = e, this.#n.settle(t);
	}
	onToken(e, t, n) {
		return this.#i = !1, e === this.#s ? new o("unauthenticated", "`getToken` returned a refused token") : (n ? e === this.current ? this.#f(t, this.#r) : (this.#m(), this.#p(n, e, null)) : this.current = e, null);
	}
	onFailed(e, t, n) {
		return this.#i = !1, {
			waitMs: this.#f(t, n ? this.#r : this.#t),
			error: new o("token_failed", "`getToken` failed", { cause: e })
		};
	}
	onExpiring(e) {
		this.#e ? this.#a ??= Math.max(e, this.#o) : this.#n.put({
			do: "emit",
			name: "tokenExpiring",
			args: []
		});
	}
	onRenewed(e) {
		!this.#l || e != null && e !== this.#l.id || (this.current = this.#l.token, this.#r.reset(), this.#h());
	}
	onError({ id: e, code: t, message: n, retry_after_ms: r }, i) {
		let a = this.#l;
		if (!a || e !== a.id) return !1;
		if (r != null) return this.#u = i + Math.max(r, _e), !0;
		let s = new o(t, n || "refused");
		return a.key === null && this.#n.put({
			do: "emit",
			name: "error",
			args: [s]
		}), this.#h(s), this.#e && this.#f(i, this.#r), !0;
	}
	onWelcome(e) {
		this.#s = null, this.#l?.token === e.token && this.#h();
	}
	onRefused(e, t, n) {
		return this.#s = e.token ?? "", this.#l?.token === e.token && this.#h(n), this.#e ? (this.current === e.token && (this.current = void 0), this.#c = t ? 1 : this.#c + 1, this.#c === 1 ? "first" : "again") : this.current === e.token && !this.#l ? "final" : "first";
	}
	onClosed(e) {
		this.#h(e), this.#a = null, this.#i = !1;
	}
	#d(e) {
		this.#a = null, this.#i || (this.#i = !0, this.#o = e + this.#t.minMs, this.#n.put({ do: "get_token" }));
	}
	#f(e, t) {
		let n = t.fail(this.#n.random());
		return n !== null && (this.#a = e + n), n;
	}
	#p(e, t, n) {
		this.#l = {
			token: t,
			id: this.#n.send(e, {
				type: "auth",
				token: t
			}),
			key: n
		};
	}
	#m() {
		this.#h(new o("superseded", "another token was set"));
	}
	#h(e) {
		let t = this.#l?.key ?? null;
		this.#l = this.#u = null, t !== null && this.#n.settle(t, e);
	}
}, Y = 1, ye = class {
	#e;
	#t;
	#n;
	#r;
	#i = /* @__PURE__ */ new Map();
	#a = /* @__PURE__ */ new Set();
	#o = null;
	#s = null;
	#c = null;
	#l = !1;
	#u = 0;
	#d = 0;
	#f = 0;
	#p = -Infinity;
	#m = !1;
	#h = !1;
	#g = null;
	#_ = "connecting";
	closed = null;
	constructor(e, t) {
		this.#n = new L(e.backoff), this.#e = R(t, this.#n.minMs), this.#t = e.connectTimeoutMs ?? 1e4, this.#r = new ve(e.token, e.hasTokenSource, this.#n, this.#e);
	}
	get deadline() {
		let e = [this.#c ?? Infinity, this.#r.deadline];
		this.#s && e.push(this.#s.startedAt + this.#t);
		for (let t of this.#a) e.push(t.beatAt(this.#m));
		if (this.#o) for (let t of this.#i.values()) e.push(t.deadline);
		return Math.min(...e);
	}
	poll(e) {
		this.#c !== null && e >= this.#c && this.#S(e), this.#r.poll(e, this.#o);
		let t = this.#s;
		t && e >= t.startedAt + this.#t && this.#E(t, new a("timeout", "the server did not answer"), e);
		for (let t of this.#a) {
			let n = t.beat(this.#m, e);
			n === "ping" ? this.#C(t, e) : n === "dead" && this.#E(t, new a("timeout", "the server did not answer"), e);
		}
		for (let t of this.#i.values()) t.poll(e, this.#o);
		this.#j();
	}
	start(e) {
		this.#N("connecting"), this.#S(e);
	}
	join(e, t, n) {
		let r = this.#i.get(e);
		if (r && !r.ended && !r.isLeaving) return r;
		r?.endLeft();
		let i = new ge(e, t, this.#e);
		return this.#i.set(e, i), this.closed?.code === "no_room" && this.reconnect(n), this.closed ? i.end(this.closed) : this.#o && i.enter(this.#o), i;
	}
	reconnect(e) {
		if (this.closed?.code !== "closed") {
			if (this.closed) {
				if (!this.#r.hasHope) return;
				this.closed = null, this.#n.reset(), this.start(e);
			} else this.hint("online", e);
		}
	}
	close() {
		let e = new a("closed", "the client is closed");
		this.#A(e), this.closed = e;
		for (let t of this.#i.values()) t.end(e, !0);
	}
	setToken(e, t, n) {
		if (this.closed?.code === "closed") return this.#e.settle(e, this.closed);
		this.#r.set(t, e, this.#o), this.closed instanceof o ? this.reconnect(n) : !this.#o && !this.#s && this.#S(n);
	}
	handleToken(e, t) {
		if (this.closed) return;
		if ("error" in e) {
			let { waitMs: n, error: r } = this.#r.onFailed(e.error, t, this.#o !== null);
			n === null ? this.#A(r) : this.#o ? this.#T(r) : this.#N(this.#M, r, n);
			return;
		}
		let n = this.#r.onToken(e.token, t, this.#o);
		n ? this.#A(n) : this.#l && this.#S(t);
	}
	hint(e, t) {
		if (e === "hidden" && (this.#m = !0), e === "visible" && (this.#m = !1), this.closed || e === "hidden" || e === "offline") return;
		for (let e of this.#a) e.welcomedAt !== null && this.#C(e, t);
		if (this.#c === null || this.#o) return;
		let n = Math.max(t, this.#f, this.#p + this.#n.minMs);
		n >= this.#c || (this.#p = this.#c = n, this.poll(t));
	}
	ping(e) {
		this.#o && this.#C(this.#o, e);
	}
	explain(e, t) {
		this.closed || this.#o || (this.#g = e, this.#c !== null && this.#N(this.#M, e, Math.max(this.#c - t, 0)));
	}
	handleMessage(e, t, n) {
		if (this.#a.has(e)) {
			if (e.onHeard(n), t === "bad") {
				let e = new a("bad_message", "an invalid message");
				this.#T(e);
			} else t !== "unknown" && this.#v(e, t.message, n);
			this.#j();
		}
	}
	handleClosed(e, t, n) {
		if (!this.#a.has(e)) return;
		let r = f(t, e.refusal), i = r.code === "unreachable" && this.#g || r, a = d(t, e.refusal);
		if (t.code === 1009 && !e.hasNamedInput) for (let t of this.#i.values()) t.link === e && t.onTooBig(i.message);
		let o = t.code === 4009 && e.attempt < this.#d;
		if (a === "final" && !o && (e === this.#o || e === this.#s)) return this.#a.delete(e), this.#A(i);
		this.#D(e, i, a, n), this.#j();
	}
	#v(e, t, n) {
		if (t.type === "error") return this.#x(e, t, n);
		if (t.type === "welcome") return e.welcomedAt === null ? this.#y(e, t, n) : void 0;
		if (e.welcomedAt !== null) {
			if (t.type === "notice") return this.#b(e, t, n);
			if (t.type === "pong") return this.#e.put({
				do: "emit",
				name: "pong",
				args: [t]
			});
			this.#i.get(t.room)?.handle(e, t, n);
		}
	}
	#y(e, t, n) {
		if (t.protocol !== Y) {
			let e = `the server speaks protocol ${t.protocol}, not ${Y}`;
			return this.#A(new a("unsupported_protocol", e));
		}
		e.onWelcome(t, n), this.#s === e && (this.#s = null), this.#o = e, this.#d = e.attempt, this.#f = 0, this.#h = !0, this.#g = null, this.#r.onWelcome(e), this.#N("connected");
		for (let t of this.#i.values()) t.ended || t.enter(e);
	}
	#b(e, { code: t, reconnect_in_ms: n, id: r }, i) {
		if (t === "draining" && e === this.#o && !this.#s) {
			let t = (e.welcomedAt ?? i) + this.#n.minMs;
			i >= t && this.#n.reset(), this.#c = Math.max(i + (n ?? 0), t);
		} else if (t === "degraded" || t === "recovered") {
			e.isDegraded = t === "degraded", e === this.#o && this.#N(e.isDegraded ? "degraded" : "connected");
			for (let t of this.#i.values()) t.link === e && t.onStatus(F(this.#_));
		} else t === "token_expiring" ? this.#r.onExpiring(i) : t === "token_renewed" && this.#r.onRenewed(r);
	}
	#x(e, t, n) {
		let { id: r, room: i, seq: o, code: s, retry_after_ms: c } = t;
		if (!this.#r.onError(t, n)) {
			if (s === "too_big" && (r ?? o) != null && (e.hasNamedInput = !0), i != null) return this.#i.get(i)?.handle(e, t, n);
			if (r != null) for (let r of this.#i.values()) r.handle(e, t, n);
			else if (e.refusal = t, e.welcomedAt !== null) {
				if (s === "rate_limited") {
					let t = n + Math.max(c ?? this.#n.minMs, 100);
					for (let n of this.#i.values()) n.repeat(e, t);
				} else {
					let e = new a(s, t.message || s, { retryAfterMs: c });
					this.#T(e);
				}
			}
		}
	}
	#S(e) {
		if (this.#c = null, this.#s || this.closed || (this.#l = !this.#r.isUsable(e), this.#l)) return;
		let t = new U(++this.#u, this.#r.current, e);
		this.#s = t, this.#a.add(t), this.#e.put({
			do: "dial",
			link: t,
			token: t.token
		});
	}
	#C(e, t) {
		e.onPinged(t), this.#e.send(e, { type: "ping" });
	}
	#w(e) {
		this.#a.delete(e), this.#e.put({
			do: "hang_up",
			link: e
		});
	}
	#T(e) {
		this.#e.put({
			do: "emit",
			name: "error",
			args: [e]
		});
	}
	#E(e, t, n) {
		this.#w(e), this.#D(e, t, "retry", n);
	}
	#D(e, t, n, r) {
		this.#a.delete(e);
		let i = e === this.#o || e === this.#s;
		e === this.#s && (this.#s = null), e === this.#o && (this.#o = [...this.#a].filter((e) => e.welcomedAt !== null).at(-1) ?? null), i && !this.closed && this.#O(e, t, n, r);
		for (let n of this.#i.values()) n.onLinkLost(e, F(this.#M, t));
	}
	#O(e, t, n, r) {
		let i = e.isOlder(this.#n.minMs, r);
		if (i && this.#n.reset(), n === "token") {
			let n = this.#r.onRefused(e, i, t);
			if (n === "final") return this.#A(t);
			if (n === "first") return this.#k(t, 0, r);
		}
		let a = i && n === "retry" ? 0 : this.#n.fail(this.#e.random());
		if (a === null) return this.#o ? void 0 : this.#A(t);
		let o = n === "retry_later" ? e.refusal?.retry_after_ms ?? 0 : 0;
		this.#f = r + o;
		let s = o && o + this.#e.random() * this.#n.minMs / 2, c = this.#m && a > 0 ? this.#n.maxMs * (1 + this.#e.random()) : 0;
		this.#k(t, Math.max(a, s, c), r);
	}
	#k(e, t, n) {
		this.#o || this.#N(this.#M, e, t), this.#s || (this.#c = n + t, t === 0 && this.#S(n));
	}
	#A(e) {
		if (!this.closed) {
			this.closed = e;
			for (let e of this.#a) this.#w(e);
			this.#o = this.#s = this.#c = null, this.#r.onClosed(e);
			for (let t of this.#i.values()) t.suspend(e, F("closed", e));
			this.#j(), this.#N("closed", e);
		}
	}
	#j() {
		for (let [e, t] of this.#i) t.ended && this.#i.delete(e);
		if (!this.#o) return;
		let e = new Set([...this.#i.values()].map((e) => e.link));
		for (let t of this.#a) t === this.#o || t === this.#s || e.has(t) || this.#w(t);
	}
	get #M() {
		return this.#h ? "reconnecting" : "connecting";
	}
	#N(e, t, n) {
		(e !== this.#_ || e !== "connected") && (this.#_ = e, this.#e.put({
			do: "status",
			status: F(e, t, n)
		}));
	}
}, be = /* @__PURE__ */ n({ diagnose: () => xe });
async function xe(e) {
	if (globalThis.navigator?.onLine === !1) return X("this device is offline", "offline");
	if (typeof fetch != "function") return null;
	let t = e.origin.replace(/^ws/, "http") + e.pathname, n = {
		redirect: "manual",
		cache: "no-store",
		credentials: "omit"
	}, r = (e) => fetch(t, {
		...n,
		mode: e,
		signal: AbortSignal.timeout(Z)
	});
	try {
		let e = await r("cors"), { status: t } = e, n = /html/i.test(e.headers.get("content-type") ?? "");
		return e.body?.cancel().catch(() => {}), t < 200 || t < 400 && (t >= 300 || n) ? X("another page answers in place of the server, as networks do that want a login", "captive_portal") : n ? X(`a proxy answers with ${t} and HTML in place of the server`, "bad_response", t) : t === 426 ? null : X(`the server answers with ${t}`, "bad_response", t);
	} catch {}
	try {
		return await r("no-cors"), X("an HTTP server answers at this address, but takes no WebSocket from this page", "bad_response");
	} catch {
		return null;
	}
}
function X(e, t, n) {
	return {
		message: e,
		diagnosis: t,
		hint: Q[t] ?? "",
		httpStatus: n
	};
}
var Z, Q, Se = t((() => {
	Z = 5e3, Q = {
		bad_response: "check the URL, and the proxy before the server",
		captive_portal: "log in to this network",
		offline: "check the network"
	};
})), Ce = 3e4, $ = 2 ** 31 - 1, we = class {
	status = F("connecting");
	rttMs;
	#e;
	#t;
	#n;
	#r;
	#i;
	#a;
	#o;
	#s = new h();
	#c = /* @__PURE__ */ new Map();
	#l = /* @__PURE__ */ new Map();
	#u = /* @__PURE__ */ new Map();
	#d = [];
	#f = /* @__PURE__ */ new Map();
	#p;
	#m = 1;
	#h = !1;
	#g = !1;
	#_;
	constructor(e) {
		let { webSocket: t, webTransport: n } = ne(e.url, e.webTransport?.url);
		this.#o = e, this.#a = t, this.#t = e.encoding && e.encoding !== "json" ? e.encoding : p, [this.#n, this.#r] = A(e, n), this.#e = new ye({
			token: e.token,
			hasTokenSource: e.getToken !== void 0,
			backoff: e.backoff,
			connectTimeoutMs: e.connectTimeoutMs
		}, {
			put: (e) => this.#d.push(e),
			random: Math.random,
			client: P()
		}), this.#i = M((e) => this.hint(e)), this.#x((e) => this.#e.start(e));
	}
	join(e, t = {}) {
		if (t.params !== void 0 && !m(t.params)) return Promise.reject(new s("bad_data", "the data is no JSON", { room: e }));
		let n;
		return this.#x((r) => {
			let i = {
				...t,
				datagrams: this.#r && t.datagrams !== !1
			}, a = this.#e.join(e, i, r);
			n = this.#l.get(a) ?? this.#v(a, t);
		}), n.promise;
	}
	on(e, t) {
		return this.#s.on(e, t);
	}
	setToken(e) {
		return this.#b((t, n) => this.#e.setToken(t, e, n));
	}
	reconnect() {
		this.#x((e) => this.#e.reconnect(e));
	}
	hint(e) {
		this.#x((t) => this.#e.hint(e, t));
	}
	serverTime() {
		if (this.#p !== void 0) return N() + this.#p;
		this.#f.size === 0 && this.#x((e) => this.#e.ping(e));
	}
	close() {
		return this.#i(), this.#x(() => this.#e.close()), Promise.resolve();
	}
	#v(e, t) {
		let n = new I(e, {
			send: (e, t, n) => this.#y(e, t, n),
			live: (e, t) => this.#x(() => e.live(t)),
			leave: (e) => this.#b((t) => e.leave(t))
		});
		for (let [e, r] of Object.entries(t.on ?? {})) r && n.on(e, r);
		let r, i = new Promise((i, a) => {
			let o = setTimeout(() => this.#x(() => e.giveUp(e.refusal ?? new s("timeout", "not joined in time", {
				room: e.name,
				cause: this.status.error
			}))), Math.min(t.timeoutMs ?? Ce, $));
			r = {
				room: n,
				done: (e) => {
					if (clearTimeout(o), e) return a(e);
					n.hold(), i(n);
				}
			};
		});
		return i.catch(() => {}), r.promise = i, this.#l.set(e, r), r;
	}
	#y(e, t, n) {
		let { closed: r } = this.#e, i = r && new c(r.code, "the client is closed", {
			room: e.name,
			cause: r
		});
		return i ? Promise.reject(i) : this.#b((r, i) => e.send(r, t, n, i));
	}
	#b(e) {
		let t = this.#m++, n = new Promise((e, n) => {
			this.#u.set(t, {
				resolve: e,
				reject: n
			});
		});
		return n.catch(() => {}), this.#x((n) => e(t, n)), n;
	}
	#x(e) {
		if (e(N()), this.#h) return;
		this.#h = !0;
		try {
			for (let e = this.#d.shift(); e; e = this.#d.shift()) this.#S(e);
		} finally {
			this.#h = !1;
		}
		clearTimeout(this.#_);
		let t = this.#e.closed ? Infinity : this.#e.deadline - N();
		t !== Infinity && (this.#_ = setTimeout(() => this.#x((e) => this.#e.poll(e)), Math.min(Math.max(Math.ceil(t), 0), $)));
	}
	#S(e) {
		switch (e.do) {
			case "dial": return this.#C(e.link, e.token);
			case "hang_up":
				this.#c.get(e.link)?.close(), this.#c.delete(e.link);
				return;
			case "send": {
				let { message: t, link: n } = e;
				return t.type === "ping" && t.id !== void 0 && this.#f.set(t.id, N()), this.#c.get(n)?.send(this.#t.encode(t), t.type === "live"), this.#s.emit("message", ["out", t]);
			}
			case "get_token": return this.#T();
			case "status": return this.status = e.status, e.status.state === "connected" && (this.#g = !1), this.#s.emit("status", [e.status]);
			case "emit": return e.name === "pong" ? this.#E(e.args[0]) : this.#s.emit(e.name, e.args);
			case "room_event":
				this.#l.get(e.room)?.room.handle(e.event), e.event.name === "left" && this.#l.delete(e.room);
				return;
			case "joined":
				this.#l.get(e.room)?.done(e.error), e.error && this.#l.delete(e.room);
				return;
			case "settle": {
				let t = this.#u.get(e.key);
				return this.#u.delete(e.key), e.error ? t?.reject(e.error) : t?.resolve(e.value);
			}
		}
	}
	#C(e, t) {
		let n = {
			url: this.#a,
			token: t,
			subprotocol: this.#t.subprotocol
		}, r = (t) => {
			this.#c.delete(e), this.#x((n) => this.#e.handleClosed(e, t, n)), t.opened || this.#D();
		};
		try {
			this.#c.set(e, this.#n(n, {
				onFrame: (t) => this.#w(e, t),
				onClosed: r
			}));
		} catch (e) {
			r(u(e));
		}
	}
	#w(e, t) {
		let n = "bad";
		try {
			n = ie(this.#t.decode(t));
		} catch {}
		typeof n == "object" && this.#s.emit("message", ["in", n.message]), this.#x((t) => this.#e.handleMessage(e, n, t));
	}
	#T() {
		let { getToken: e } = this.#o;
		Promise.resolve().then(() => e?.()).then((e) => {
			if (typeof e != "string" || e === "") throw TypeError("no text");
			this.#x((t) => this.#e.handleToken({ token: e }, t));
		}).catch((e) => this.#x((t) => this.#e.handleToken({ error: e }, t)));
	}
	#E({ id: e, time_ms: t }) {
		let n = this.#f.get(e ?? 0);
		if (this.#f.clear(), n === void 0) return;
		let r = N() - n;
		this.rttMs = r, t && v(t) && (this.#p = t - N() + r / 2);
	}
	#D() {
		this.#g || this.#o.diagnose === !1 || this.#e.closed || (this.#g = !0, Promise.resolve().then(() => (Se(), be)).then(({ diagnose: e }) => e(this.#a)).then((e) => {
			let t = e && new a("unreachable", e.message, e);
			t && this.#x((e) => this.#e.explain(t, e));
		}).catch(() => {}));
	}
};
function Te(e) {
	return new we(e);
}
export { o as AuthError, a as ConnectError, i as GrandstandError, c as InputError, s as JoinError, Te as connect, G as merge };
