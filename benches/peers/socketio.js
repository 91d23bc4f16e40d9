// Socket.IO with its Redis adapter, the setup of games with several servers: forwards each message to the whole room.
const { createServer } = require("http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

async function main() {
  const publisher = createClient({ url: process.env.REDIS });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(publisher, subscriber), transports: ["websocket"] });
  io.on("connection", (socket) => {
    socket.join("room");
    socket.on("m", (message) => io.to("room").emit("m", message));
  });
  http.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
}

main();
