// Elysia on Bun: forwards each message on /publish to all sockets on /.
import { Elysia } from "elysia";

const app = new Elysia()
  .ws("/", {
    open(socket) {
      socket.subscribe("room");
    },
  })
  .ws("/publish", {
    message(_, message) {
      app.server.publish("room", message);
    },
  })
  .listen({ port: Number(process.env.PORT), hostname: "127.0.0.1" });
