// Node's ws: forwards each message on /publish to all sockets on /. With TLS if TLS_KEY and TLS_CERTIFICATE name PEM files.
const { readFileSync } = require("fs");
const { createServer } = require("http");
const https = require("https");
const { WebSocketServer } = require("ws");

const { PORT, TLS_KEY, TLS_CERTIFICATE } = process.env;
const http = TLS_KEY
  ? https.createServer({ key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERTIFICATE) })
  : createServer();
const members = new Set();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
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
http.listen({ port: Number(PORT), host: "127.0.0.1", backlog: 4096 });
