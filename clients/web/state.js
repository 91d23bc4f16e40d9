// Draws a room of any game: its state, and a field for inputs. For games without a page of their own.

import { Table } from "./table.js";

const UPDATES = 50;

export class StateTable extends Table {
  #state = document.querySelector("#state");
  #updates = document.querySelector("#updates");
  #direct = document.querySelector("#direct");
  #problem = document.querySelector("#input-problem");

  constructor(seat) {
    super(seat);
    document.querySelector("#board").hidden = true;
    document.querySelector("#any").hidden = false;
    document.querySelector("#clock").textContent = "";
    this.#updates.replaceChildren();
    this.#direct.hidden = true;
    const form = document.querySelector("#input");
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#send(form.data.value);
    };
  }

  setRole(role) {
    super.setRole(role);
    document.querySelector("#input").hidden = role !== "player";
    document.querySelector("#status").textContent = role === "player" ? "You play" : "You are watching";
  }

  snapshot(view) {
    this.#show(view);
  }

  // Patches lead to the state that the room keeps; what other updates mean, only the game knows.
  update(update, state) {
    if (state !== undefined) this.#show(state);
    const line = document.createElement("li");
    line.textContent = JSON.stringify(update);
    this.#updates.prepend(line);
    while (this.#updates.children.length > UPDATES) this.#updates.lastChild.remove();
  }

  direct(data) {
    this.#direct.hidden = false;
    this.#direct.textContent = `Only you see: ${JSON.stringify(data)}`;
  }

  #show(view) {
    this.#state.textContent = JSON.stringify(view, null, 2);
  }

  async #send(text) {
    let data;
    try {
      data = JSON.parse(text);
    } catch (error) {
      this.#problem.textContent = `Not JSON: ${error.message}`;
      return;
    }
    this.#problem.textContent = "";
    const outcome = await this.seat.input(data);
    if (!outcome.ok) this.#problem.textContent = `Rejected: ${outcome.code}${outcome.message ? ` (${outcome.message})` : ""}`;
  }
}
