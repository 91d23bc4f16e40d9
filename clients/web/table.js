// The part that the tables of all games share: the list of players.

export class Table {
  people = [];
  role = null;

  /** Seat: { user, log(text), input(data), live(data) } */
  constructor(seat) {
    this.seat = seat;
  }

  setRole(role) {
    this.role = role;
  }

  params() {}
  live() {}
  direct() {}
  tick() {}

  /** The score to show behind a player's name, and whether it is their turn. */
  about() {
    return {};
  }

  drawPeople(list = document.querySelector("#people")) {
    list.replaceChildren(
      ...this.people.map(({ id, state }) => {
        const { score, turn } = this.about(id);
        const item = document.createElement("li");
        item.className = `${state} ${turn ? "turn" : ""}`;
        item.append(span("who", id === this.seat.user && this.role === "player" ? `${id} (you)` : id));
        if (state !== "connected") item.append(span("hint", state));
        if (score !== undefined) item.append(span("score", score));
        return item;
      }),
    );
  }
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
