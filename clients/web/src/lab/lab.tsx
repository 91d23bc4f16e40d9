// The panel beside the game: people, the stadium, the plug, and the inspector, as tabs.

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { pageUrl } from "../app";
import { useStore } from "../lib/store";
import { addressFor, type Session } from "../session";
import { Inspector } from "./inspector";
import { People } from "./people";
import { PlugPanel } from "./plug-panel";
import { Pulls } from "./pulls";
import { Stadium } from "./stadium";
import { StadiumPanel } from "./stadium-panel";

type Tab = "people" | "stadium" | "plug" | "inspector";

const TITLES: Record<Tab, string> = { people: "Room", stadium: "Stadium", plug: "Plug", inspector: "Inspector" };

export function Lab({ session, admin }: { session: Session; admin: string | null }) {
  const [tab, setTab] = useState<Tab>("people");
  const list = useRef<HTMLDivElement>(null);
  const stadium = useMemo(
    () =>
      new Stadium(
        session.visit.room,
        (user) => addressFor(pageUrl(), { ...session.identity, user }),
        session.identity.token,
      ),
    [session],
  );
  useEffect(() => () => stadium.close(), [stadium]);
  const pulls = useMemo(() => (admin ? new Pulls(session, admin) : null), [session, admin]);
  const size = useStore(stadium.counts).open;
  const tabs: Tab[] = pulls ? ["people", "stadium", "plug", "inspector"] : ["people", "stadium", "inspector"];
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -tabs.indexOf(tab), End: tabs.length - 1 - tabs.indexOf(tab) }[
      event.key
    ];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]!;
    setTab(next);
    list.current?.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  };
  const panels: Record<Tab, () => JSX.Element | null> = {
    people: () => <People session={session} />,
    stadium: () => <StadiumPanel stadium={stadium} />,
    plug: () => pulls && <PlugPanel pulls={pulls} session={session} />,
    inspector: () => <Inspector session={session} admin={admin} />,
  };
  return (
    <aside class="lab card" aria-label="About this room">
      <div class="tabs" role="tablist" aria-label="About this room" ref={list} onKeyDown={onKey}>
        {tabs.map((each) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`tab-${each}`}
            aria-selected={tab === each}
            aria-controls={`panel-${each}`}
            tabIndex={tab === each ? 0 : -1}
            onClick={() => setTab(each)}
          >
            {TITLES[each]}
            {each === "stadium" && size > 0 && <span class="badge">{size}</span>}
          </button>
        ))}
      </div>
      {tabs.map((each) => (
        <div
          key={each}
          class="panel"
          role="tabpanel"
          id={`panel-${each}`}
          aria-labelledby={`tab-${each}`}
          hidden={tab !== each}
          tabIndex={0}
        >
          {tab === each && panels[each]()}
        </div>
      ))}
    </aside>
  );
}
