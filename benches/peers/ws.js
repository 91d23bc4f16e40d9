// Node's ws: forwards each message on /publish to all sockets on /.
const { WebSocketServer } = require("ws");

const members = new Set();
const server = new WebSocketServer({
  port: Number(process.env.PORT),
  host: "127.0.0.1",
  backlog: 4096,
  perMessageDeflate: false,
});
server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  if (request.url === "/publish") {
    socket.on("message", (data) => {
      for (const member of members) member.send(data, { binary: false });
    });
    return;
  }
  members.add(socket);
  socket.on("close", () => members.delete(socket));
});
