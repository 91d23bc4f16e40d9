// Draws a room of `relay` as a chat.

import { Table } from "./table.js";

const LINES = 500;
const TYPING_MS = 3_000;

export class RelayTable extends Table {
  #lines = document.querySelector("#lines");
  #typing = document.querySelector("#typing");
  #private = document.querySelector("#private");
  #typedAt = 0;
  #typists = new Map();

  constructor(seat) {
    super(seat);
    document.querySelector("#board").hidden = true;
    document.querySelector("#chat").hidden = false;
    document.querySelector("#clock").textContent = "";
    this.#lines.replaceChildren();
    const say = document.querySelector("#say");
    say.onsubmit = (event) => {
      event.preventDefault();
      if (say.text.value.trim()) seat.input({ text: say.text.value });
      say.reset();
    };
    say.oninput = () => {
      if (Date.now() - this.#typedAt < TYPING_MS / 2) return;
      this.#typedAt = Date.now();
      seat.live({ typing: seat.user });
    };
    this.#private.onchange = ({ target }) => seat.input({ op: "config", players_only: target.checked });
  }

  setRole(role) {
    super.setRole(role);
    document.querySelector("#say").hidden = this.#private.hidden = role !== "player";
    document.querySelector("#status").textContent = role === "player" ? "Chat" : "You are watching";
  }

  snapshot({ count, players_only }) {
    this.#private.firstElementChild.checked = players_only;
    this.#line("", `${count} messages so far${players_only ? ", for players only" : ""}`);
  }

  update(update) {
    if ("players_only" in update) this.#private.firstElementChild.checked = update.players_only;
    if (!("from" in update)) return;
    this.#typists.delete(update.from);
    this.#line(update.from, update.data?.text ?? JSON.stringify(update.data));
  }

  live(data) {
    if (typeof data?.typing === "string") this.#typists.set(data.typing, Date.now());
  }

  tick() {
    for (const [who, at] of this.#typists) if (Date.now() - at > TYPING_MS) this.#typists.delete(who);
    const names = [...this.#typists.keys()].join(", ");
    this.#typing.textContent = names && `${names} …`;
  }

  #line(from, text) {
    const line = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = from && `${from}: `;
    line.append(name, String(text));
    this.#lines.append(line);
    while (this.#lines.children.length > LINES) this.#lines.firstChild.remove();
    this.#lines.scrollTop = this.#lines.scrollHeight;
  }
}
