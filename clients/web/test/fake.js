// A WebSocket whose other end is the test, and a clock that the test turns.

export class FakeSocket {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url: String(url), protocols });
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closedWith = code;
    this.readyState = 3;
  }

  /** The edge accepts and welcomes. */
  welcome(more = {}) {
    this.readyState = 1;
    this.say({ type: "welcome", connection: "c", edge: "e", protocol: 1, heartbeat_ms: 25000, limits: {}, features: [], ...more });
    return this;
  }

  /** The edge sends messages. */
  say(...messages) {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The connection is lost. */
  lose(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code, reason: "" });
  }

  /** What the client sent of a type, without ids. */
  got(type) {
    return this.sent.filter((message) => message.type === type).map(({ id, ...message }) => message);
  }

  static get last() {
    return FakeSocket.all.at(-1);
  }
}
