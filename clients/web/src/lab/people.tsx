// Who is in the room, links for others, and what has happened.

import { shareLink } from "../app";
import { clock, count } from "../lib/format";
import { useStore } from "../lib/store";
import type { Session } from "../session";
import { Avatar, CopyButton, Icon } from "../views/parts";
import { usePlayers } from "../views/players";

export function People({ session }: { session: Session }) {
  const { playerCount, viewers } = useStore(session.presence);
  const players = usePlayers(session);
  const lines = useStore(session.log.lines);
  const { visit } = session;
  const play = shareLink({ ...visit, role: "player" });
  const watch = shareLink({ ...visit, role: "spectator" });
  return (
    <div>
      <h2 class="unseen">People</h2>
      <ul id="people" class="people" aria-label="Players">
        {players.map(({ id, state }) => (
          <li key={id} class={state} data-player={id}>
            <Avatar name={id} />
            <span class="who">
              {id}
              {id === session.player && <span class="hint"> (you)</span>}
            </span>
            <span class="state">{state}</span>
          </li>
        ))}
        {players.length === 0 && playerCount === undefined && <li class="empty">No player is here.</li>}
        {playerCount !== undefined && <li class="empty">{count(playerCount, "player")}</li>}
      </ul>
      <p id="viewers" class="viewers">
        <Icon name="eye" />
        <span>{viewers} watching</span>
      </p>
      <div class="links">
        <CopyButton text={play}>Copy invitation</CopyButton>
        <CopyButton text={watch}>Copy link to watch</CopyButton>
        <a id="another" class="button" href={play} target="_blank" rel="noopener">
          Another player
        </a>
        <a id="watch" class="button" href={watch} target="_blank" rel="noopener">
          Watch in a tab
        </a>
      </div>
      <h2>Events</h2>
      <ol id="log" class="log" tabIndex={0} aria-label="Events">
        {lines.map(({ id, at, text, kind }) => (
          <li key={id} class={kind}>
            <time class="figure">{clock(at)}</time> <span>{text}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
