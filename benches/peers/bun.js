// Bun's WebSocket server (based on uWebSockets): forwards each message on /publish to all sockets on /.
const server = Bun.serve({
  port: Number(process.env.PORT),
  hostname: "127.0.0.1",
  fetch(request, server) {
    const publishes = new URL(request.url).pathname === "/publish";
    return server.upgrade(request, { data: { publishes } }) ? undefined : new Response("", { status: 404 });
  },
  websocket: {
    open(socket) {
      if (!socket.data.publishes) socket.subscribe("room");
    },
    message(socket, message) {
      if (socket.data.publishes) server.publish("room", message);
    },
  },
});
