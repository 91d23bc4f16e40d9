// Draws a room of `memory`. memory.js maintains the view.

import { apply, describe } from "./memory.js";
import { Table } from "./table.js";

const SYMBOLS = "★♥♣♦♠●▲■◆☀☂☎✂✈♫⚑☕☘⚓♛♞☁☯✿⚡☾✉✚⚙♪⌂∞";

export class MemoryTable extends Table {
  view = null;
  #board = document.querySelector("#board");
  #status = document.querySelector("#status");
  #clock = document.querySelector("#clock");

  constructor(seat) {
    super(seat);
    document.querySelector("#chat").hidden = true;
    this.#board.hidden = false;
    this.#board.replaceChildren();
    this.#status.textContent = this.#clock.textContent = "";
    this.#board.onclick = (event) => this.#flip(event.target.closest(".card"));
    this.#board.onkeydown = (event) => this.#move(event);
  }

  params(form) {
    const [rows, cols] = form.size.value.split("x").map(Number);
    return { rows, cols, players: Number(form.players.value) };
  }

  setRole(role) {
    super.setRole(role);
    if (this.view) this.#draw();
  }

  snapshot(view) {
    this.view = view;
    this.#draw();
  }

  update(update) {
    this.view = apply(this.view, update);
    const words = describe(update);
    if (words) this.seat.log(words);
    this.#draw();
  }

  tick(now) {
    const deadline = this.view?.deadline_ms;
    const left = deadline ? Math.max(0, Math.ceil((deadline - now) / 1000)) : null;
    const text = left === null ? "" : `${left} s`;
    if (this.#clock.textContent !== text) this.#clock.textContent = text;
    this.#clock.classList.toggle("late", left !== null && left <= 5);
  }

  about(player) {
    return { score: this.view?.scores?.[player], turn: this.view?.turn === player };
  }

  get #mine() {
    return this.role === "player" && this.view.phase === "playing" && this.view.turn === this.seat.user;
  }

  async #flip(card) {
    if (!card || this.role !== "player") return;
    const outcome = await this.seat.input({ op: "flip", card: Number(card.dataset.card) });
    if (outcome.ok) return;
    card.classList.add("refused");
    card.onanimationend = () => card.classList.remove("refused");
  }

  #move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.view.cols, ArrowDown: this.view.cols }[event.key];
    const next = step && this.#board.children[Number(event.target.dataset.card) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  #draw() {
    const { rows, cols, cards, open, phase, turn } = this.view;
    const { style, dataset, children, classList } = this.#board;
    style.setProperty("--rows", rows);
    style.setProperty("--cols", cols);
    style.gridTemplateColumns = `repeat(${cols}, minmax(0, 1fr))`;
    Object.assign(dataset, { phase, turn: turn ?? "" });
    classList.toggle("mine", this.#mine);
    this.#board.setAttribute("aria-label", `Board, ${rows} rows of ${cols} cards`);
    if (children.length !== cards.length) this.#board.replaceChildren(...cards.map((_, index) => newCard(index)));
    cards.forEach((face, index) => drawCard(children[index], index, face, open.includes(index), this.#mine));
    const status = this.#words();
    if (this.#status.textContent !== status) this.#status.textContent = status;
    this.drawPeople();
  }

  #words() {
    const { phase, turn, winners, players } = this.view;
    if (phase === "waiting") return `Waiting for players (${players.join(", ") || "nobody yet"})`;
    if (phase === "paused") return "Paused until all players are back";
    if (phase === "over") {
      if (!winners?.length) return "Nobody wins";
      if (winners.length === 1) return winners[0] === this.seat.user ? "You win!" : `${winners[0]} wins`;
      return `A draw: ${winners.join(", ")}`;
    }
    return this.#mine ? "Your turn" : `${turn}'s turn`;
  }
}

function newCard(index) {
  const card = document.createElement("button");
  card.type = "button";
  card.dataset.card = index;
  for (const side of ["back", "face"]) {
    const part = document.createElement("span");
    part.className = side;
    part.setAttribute("aria-hidden", "true");
    card.append(part);
  }
  return card;
}

function drawCard(card, index, face, open, mine) {
  const shown = face !== null;
  card.className = `card${shown ? " open" : ""}${shown && !open ? " matched" : ""}`;
  card.dataset.face = face ?? "";
  card.setAttribute("aria-disabled", String(shown || !mine));
  card.setAttribute("aria-label", `Card ${index + 1}, ${shown ? `${face}, ${open ? "open" : "matched"}` : "hidden"}`);
  if (!shown) return; // the old face stays on the back side until the card has turned
  const number = face.length === 1 ? face.charCodeAt(0) - 65 : -1;
  const side = card.querySelector(".face");
  side.textContent = SYMBOLS[number] ?? face;
  side.dataset.letter = SYMBOLS[number] ? face : "";
  side.style.setProperty("--hue", Math.round((face.charCodeAt(0) * 137.5) % 360));
}
