import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { route } from "./app";
import { useStore } from "./lib/store";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/lobby.css";
import "./styles/room.css";
import "./styles/memory.css";
import "./styles/games.css";
import "./styles/lab.css";
import "./styles/stadium.css";
import "./styles/plug.css";
import "./styles/inspector.css";
import "./styles/landscape.css";
import { Lobby } from "./views/lobby";
import { focusTitle } from "./views/parts";
import { RoomPage } from "./views/room";

function App() {
  const visit = useStore(route);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = visit ? `${visit.room} · Grandstand` : "Grandstand";
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    scrollTo(0, 0);
    focusTitle();
  }, [visit]);
  if (!visit) return <Lobby />;
  return <RoomPage key={`${visit.room} ${visit.role}`} visit={visit} />;
}

render(<App />, document.getElementById("app")!);
