// The games of the server, each with a button that opens a new room.

import { enter, randomSuffix } from "../app";
import { kindOf } from "../games/kinds";

export function GameList({ games }: { games: readonly string[] }) {
  return (
    <ul class="kinds">
      {games.map((game) => {
        const { title, text, picture } = kindOf(game);
        return (
          <li key={game}>
            <button type="button" class={`kind ${game}`} data-game={game} onClick={() => open(game)}>
              <span class="picture">{picture}</span>
              <span class="title">{title}</span>
              <span class="text">{text}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** Opens a new room of a game. */
export function open(game: string, params?: Record<string, unknown>): void {
  enter({ room: `${game}-${randomSuffix()}`, role: "player", params });
}
