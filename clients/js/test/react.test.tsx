// @vitest-environment jsdom

import { act, cleanup, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, expect, test } from "vitest";
import type { Client } from "../src/index.js";
import { useRoom } from "../src/react.js";
import { FakeSocket, fakeClient } from "./fake.js";

type Count = { state: { n: number }; input: string };

afterEach(cleanup);

function Board({ client, room, label = "" }: { client: Client; room: string; label?: string }) {
  const { state, status, error, room: joined } = useRoom<Count>(client, room);
  return (
    <button type="button" onClick={() => joined?.send("x")}>
      {`${label}${error?.code ?? state?.n ?? status.state}`}
    </button>
  );
}

const soon = () => act(() => new Promise((resolve) => setTimeout(resolve, 5)));

test("a component shows the state of its room, also in strict mode, and leaves it", async () => {
  const client = fakeClient();
  const view = render(
    <StrictMode>
      <Board client={client} room="quiz-1" />
      <Board client={client} room="quiz-1" label="too: " />
    </StrictMode>,
  );
  expect(screen.getByText("connecting")).toBeDefined();
  const socket = FakeSocket.last.welcome();
  socket.admit("quiz-1", {}, { patch: "merge" });
  await soon();
  expect(socket.got("join")).toHaveLength(1);
  expect(screen.getByText("1")).toBeDefined();
  act(() => socket.say({ type: "update", room: "quiz-1", version: 2, prev: 1, data: { n: 2 } }));
  expect(screen.getByText("2")).toBeDefined();
  expect(screen.getByText("too: 2")).toBeDefined();
  screen.getByText("2").click();
  expect(socket.got("input")).toHaveLength(1);
  view.unmount();
  await soon();
  expect(socket.got("leave")).toHaveLength(1);
});

test("another room is joined when the name changes, and a refusal is shown", async () => {
  const client = fakeClient();
  const view = render(<Board client={client} room="quiz-1" />);
  const socket = FakeSocket.last.welcome();
  socket.admit("quiz-1");
  await soon();
  view.rerender(<Board client={client} room="quiz-2" />);
  expect(screen.getByText("connecting")).toBeDefined();
  await soon();
  expect(socket.got("leave")).toMatchObject([{ room: "quiz-1" }]);
  act(() => socket.say({ type: "error", id: socket.idOf("join"), room: "quiz-2", code: "room_full", message: "two" }));
  await soon();
  expect(screen.getByText("room_full")).toBeDefined();
});

test("a component that goes before the room is joined leaves it afterwards, and one that comes back keeps it", async () => {
  const client = fakeClient();
  render(<Board client={client} room="quiz-1" />).unmount();
  const back = render(<Board client={client} room="quiz-2" />);
  back.unmount();
  render(<Board client={client} room="quiz-2" />);
  await soon();
  const socket = FakeSocket.last.welcome();
  for (const room of ["quiz-1", "quiz-2"]) {
    socket.say({ type: "joined", room, role: "player", instance: "7", last_seq: 0 });
    socket.say({ type: "snapshot", room, epoch: "e1", version: 1, data: { n: 1 } });
  }
  await soon();
  expect(socket.got("leave")).toMatchObject([{ room: "quiz-1" }]);
  expect(screen.getByText("1")).toBeDefined();
});
