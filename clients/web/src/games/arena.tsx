// Draws a room of `arena` on a canvas, and sends the keys or the finger as controls.

import { useEffect, useRef } from "preact/hooks";
import { hue } from "../lib/format";
import { useStore } from "../lib/store";
import type { Session } from "../session";
import { Avatar } from "../views/parts";
import { usePlayers } from "../views/players";
import { direction, type Frame, Motion, type Point } from "./motion";

const SAME_AGAIN_MS = 500; // controls are lossy, so the current one is repeated
const DISC = 32;
const COIN = 14;
const SMALLEST_TEXT = 12; // pixels of the page
const KEYS: Record<string, Point> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  KeyA: [-1, 0],
  KeyD: [1, 0],
  KeyW: [0, -1],
  KeyS: [0, 1],
};

interface ArenaView {
  readonly width: number;
  readonly height: number;
  readonly scores: Readonly<Record<string, number>>;
}

export function Arena({ session }: { session: Session }) {
  const view = useStore(session.room).view as ArenaView;
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = view;
  const isPlayer = session.player !== null;
  useEffect(() => {
    if (!canvas.current) return;
    const stops = [paint(canvas.current, session, width, height)];
    if (isPlayer) stops.push(steer(canvas.current, session));
    return () => {
      for (const stop of stops) stop();
    };
  }, [session, width, height, isPlayer]);
  const members = new Map(usePlayers(session).map(({ id, state }) => [id, state]));
  const scores = Object.entries(view.scores).sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
  return (
    <div class="game-arena">
      <canvas
        id="field"
        ref={canvas}
        tabIndex={0}
        role="img"
        aria-label={`The field${isPlayer ? ". Roll with the arrow keys, or W, A, S and D" : ""}`}
      />
      <p class="hint center">
        {isPlayer ? "Arrow keys or W A S D roll your disc. On a touch screen, drag." : "You are watching."}
      </p>
      <ol class="players" aria-label="Scores">
        {scores.map(([id, score]) => {
          const state = members.get(id) ?? "connected";
          return (
            <li key={id} class={`plate ${state}`} data-player={id}>
              <Avatar name={id} />
              <span class="who">
                <span class="player-name">{id}</span>
                <span class="hint">
                  {id === session.player ? "you" : ""}
                  {state !== "connected" && <b class="whereabouts"> {state}</b>}
                </span>
              </span>
              <span class="score">{score}</span>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

/** Draws frames as they come, until the returned function is called. */
function paint(canvas: HTMLCanvasElement, session: Session, width: number, height: number): () => void {
  const motion = new Motion();
  const brush = canvas.getContext("2d")!;
  const stop = session.onLive((frame) => motion.add(frame as Frame, performance.now()));
  let next = 0;
  let style = getComputedStyle(canvas);
  const draw = () => {
    next = requestAnimationFrame(draw);
    const unit = canvas.clientWidth / width;
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * unit * ratio), Math.round(height * unit * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    style = getComputedStyle(canvas);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    brush.setTransform(unit * ratio, 0, 0, unit * ratio, 0, 0);
    brush.fillStyle = colour("--panel");
    brush.fillRect(0, 0, width, height);
    brush.strokeStyle = colour("--line");
    brush.lineWidth = 1;
    for (let at = 100; at < width; at += 100) line(brush, at, 0, at, height);
    for (let at = 100; at < height; at += 100) line(brush, 0, at, width, at);
    const { discs, coins } = motion.at(performance.now());
    for (const [x, y] of coins) circle(brush, x, y, COIN, "#eeb32b", "#b07d00", 3);
    brush.textAlign = "center";
    brush.font = `600 ${Math.max(24, SMALLEST_TEXT / unit)}px system-ui, sans-serif`;
    for (const [id, [x, y]] of Object.entries(discs)) {
      const isOwn = id === session.player;
      const edge = isOwn ? colour("--ink") : `oklch(40% 0.12 ${hue(id)})`;
      circle(brush, x, y, DISC, `oklch(68% 0.16 ${hue(id)})`, edge, isOwn ? 6 : 3);
      brush.fillStyle = colour("--ink");
      brush.fillText(id, x, y > 70 ? y - DISC - 12 : y + DISC + 28);
    }
  };
  draw();
  return () => {
    cancelAnimationFrame(next);
    stop();
  };
}

function line(brush: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  brush.beginPath();
  brush.moveTo(x1, y1);
  brush.lineTo(x2, y2);
  brush.stroke();
}

function circle(
  brush: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  fill: string,
  edge: string,
  width: number,
) {
  brush.beginPath();
  brush.arc(x, y, radius, 0, 2 * Math.PI);
  brush.fillStyle = fill;
  brush.fill();
  brush.strokeStyle = edge;
  brush.lineWidth = width;
  brush.stroke();
}

/** Sends where the player wants to go, until the returned function is called. */
function steer(canvas: HTMLCanvasElement, session: Session): () => void {
  const down = new Set<string>();
  let drag: { from: Point; to: Point } | null = null;
  let sent = { x: 0, y: 0, at: 0 };
  const tell = (again = false) => {
    const wish = direction(
      [...down].map((code) => KEYS[code]!),
      drag,
    );
    const now = performance.now();
    const isSame = wish.x === sent.x && wish.y === sent.y;
    if (again ? now - sent.at < SAME_AGAIN_MS : isSame) return;
    if (drag && !again && now - sent.at < 33) return; // a finger moves more often than the arena
    sent = { ...wish, at: now };
    session.live(wish);
  };
  const onKey = (event: KeyboardEvent) => {
    const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea, [role=tab]");
    if (!KEYS[event.code] || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.type === "keydown") down.add(event.code);
    else down.delete(event.code);
    tell();
  };
  const release = () => {
    drag = null;
    tell();
  };
  const stopper = new AbortController();
  const { signal } = stopper;
  addEventListener("keydown", onKey, { signal });
  addEventListener("keyup", onKey, { signal });
  const onBlur = () => {
    down.clear();
    release();
  };
  addEventListener("blur", onBlur, { signal });
  const onDown = (event: PointerEvent) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { from: [event.clientX, event.clientY], to: [event.clientX, event.clientY] };
  };
  canvas.addEventListener("pointerdown", onDown, { signal });
  const onMove = (event: PointerEvent) => {
    if (!drag) return;
    drag = { ...drag, to: [event.clientX, event.clientY] };
    tell();
  };
  canvas.addEventListener("pointermove", onMove, { signal });
  canvas.addEventListener("pointerup", release, { signal });
  canvas.addEventListener("pointercancel", release, { signal });
  const timer = setInterval(() => tell(true), SAME_AGAIN_MS);
  return () => {
    stopper.abort();
    clearInterval(timer);
  };
}
