// The types that an application sees.

import { expectTypeOf, test } from "vitest";
import { type Ack, connect, type GameTypes, type InputError, type Part, type Room, type Status } from "../src/index.js";
import { useRoom } from "../src/react.js";

interface TwentyOne extends GameTypes {
  state: { players: string[]; count: number };
  input: 1 | 2 | 3;
}

const client = connect({ url: "wss://play.example.org" });

test("what a client shows is not to be written", () => {
  // @ts-expect-error: read-only
  client.status = { state: "closed", why: null };
});

test("a room has the types of its game", async () => {
  const room = await client.join<TwentyOne>("twentyone-1");
  expectTypeOf(room).toEqualTypeOf<Room<TwentyOne>>();
  expectTypeOf(room.state).toEqualTypeOf<TwentyOne["state"] | undefined>();
  expectTypeOf(room.send).parameter(0).toEqualTypeOf<1 | 2 | 3>();
  expectTypeOf(room.send).returns.resolves.toEqualTypeOf<Ack>();
  room.on("change", (state) => expectTypeOf(state).toEqualTypeOf<TwentyOne["state"]>());
  room.on("reject", (error) => expectTypeOf(error).toEqualTypeOf<InputError>());
  room.on("status", (status) => expectTypeOf(status).toEqualTypeOf<Status>());
  // @ts-expect-error: no input of the game
  void room.send(4);
  // @ts-expect-error: no event
  room.on("changed", () => {});
});

test("what the types of a game lack is unknown, and without types all is any", async () => {
  const room = await client.join("relay-1");
  expectTypeOf(room.state).toBeAny();
  room.on("update", ({ from, data }) => console.log(`${from}: ${data}`));
  expectTypeOf<Part<TwentyOne, "update">>().toEqualTypeOf<unknown>();
  void room.send({ any: "thing" });
});

test("reducers and listeners at the join have the types of the game", () => {
  type Sum = { state: { sum: number }; update: { add: number } };
  void client.join<Sum>("sum-1", {
    reducer: (state, update) => ({ sum: state.sum + update.add }),
    on: { update: (update) => expectTypeOf(update).toEqualTypeOf<{ add: number }>() },
  });
  // @ts-expect-error: a role that does not exist
  void client.join("sum-1", { role: "admin" });
});

test("the hook has the types of the game", () => {
  expectTypeOf(useRoom<TwentyOne>)
    .returns.toHaveProperty("state")
    .toEqualTypeOf<TwentyOne["state"] | undefined>();
});
