// Bun's WebSocket server (based on uWebSockets): forwards each message on /publish to all sockets on /. With TLS if TLS_KEY
// and TLS_CERTIFICATE name PEM files.
const { PORT, TLS_KEY, TLS_CERTIFICATE } = process.env;

const server = Bun.serve({
  port: Number(PORT),
  hostname: "127.0.0.1",
  tls: TLS_KEY ? { key: Bun.file(TLS_KEY), cert: Bun.file(TLS_CERTIFICATE) } : undefined,
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
