import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** At every address of this network. */
export function echoTcp(port: number): void {
  const server = createServer((connection) => {
    connection.on("error", () => connection.destroy());
    connection.pipe(connection);
  });
  server.listen(port, "0.0.0.0");
}

/** At one address each, or an answer would come from another than was asked. */
export function echoUdp(port: number, addresses: readonly string[]): void {
  for (const address of addresses) {
    const socket = createSocket("udp4");
    socket.on("message", (message, { port: from, address: to }) => socket.send(message, from, to));
    socket.bind(port, address);
  }
}
