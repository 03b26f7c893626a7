/** A name server of the tests' own: real sockets on the loopback, and answers as a test wants them, false ones too. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { type Answer, type DecodedPacket, decode, encode, type RecordType } from "dns-packet";
import { onTestFinished } from "vitest";

export interface AskedName {
  readonly name: string;
  readonly type: RecordType;
  readonly transport: "udp" | "tcp";
  readonly id: number;
}

export interface NameUpstream {
  readonly address: string;
  readonly port: number;
  /** All that it was asked, in order. */
  readonly asked: readonly AskedName[];
  close(): Promise<void>;
}

/** Messages to send back, in order. None: it hangs. A `false port` comes from another socket of the same host. */
export type Reaction = readonly (Buffer | { readonly fromAnotherPort: Buffer })[];

/** Answers a query: with these records, this code, or more of the header. */
export function reply(
  query: DecodedPacket,
  answers: readonly Answer[],
  header: { code?: number; flags?: number } = {},
): Buffer {
  return encode({
    type: "response",
    id: query.id,
    flags: 0x180 | (header.flags ?? 0) | (header.code ?? 0),
    questions: query.questions,
    answers: [...answers],
  });
}

export const addressOf = (name: string, data: string, ttl = 60): Answer => ({
  name,
  type: "A",
  class: "IN",
  ttl,
  data,
});
export const aliasOf = (name: string, data: string, ttl = 60): Answer => ({
  name,
  type: "CNAME",
  class: "IN",
  ttl,
  data,
});

/** Takes the same port for UDP and TCP; another pair when somebody has one of them. */
async function bindBoth(): Promise<{ socket: Socket; server: Server; port: number }> {
  for (;;) {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    const server = createServer();
    const failed = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(true));
      server.listen(port, "127.0.0.1", () => resolve(false));
    });
    if (!failed) return { socket, server, port };
    socket.close();
  }
}

export async function startNameUpstream(
  react: (asked: AskedName, query: DecodedPacket) => Reaction,
): Promise<NameUpstream> {
  const { socket, server, port } = await bindBoth();
  const another = createSocket("udp4");
  const asked: AskedName[] = [];
  const take = (message: Buffer, transport: "udp" | "tcp"): Reaction => {
    const query = decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return [];
    const one: AskedName = { name: question.name, type: question.type, transport, id: query.id ?? 0 };
    asked.push(one);
    return react(one, query);
  };
  socket.on("message", (message: Buffer, { port: to }: RemoteInfo) => {
    for (const answer of take(message, "udp")) {
      if (Buffer.isBuffer(answer)) socket.send(answer, to, "127.0.0.1");
      else another.send(answer.fromAnotherPort, to, "127.0.0.1");
    }
  });
  server.on("connection", (connection) => {
    let received: Buffer = Buffer.alloc(0);
    connection.on("error", () => {});
    connection.on("data", (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      for (const answer of take(received.subarray(2), "tcp")) {
        const bytes = Buffer.isBuffer(answer) ? answer : answer.fromAnotherPort;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        connection.write(Buffer.concat([length, bytes]));
      }
    });
    upstreamConnections.add(connection);
    connection.once("close", () => upstreamConnections.delete(connection));
  });
  const upstreamConnections = new Set<{ destroy(): void }>();
  const close = async () => {
    for (const one of [socket, another]) one.close();
    for (const connection of upstreamConnections) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  let isClosed = false;
  const closeOnce = async () => {
    if (isClosed) return;
    isClosed = true;
    await close();
  };
  onTestFinished(closeOnce);
  return { address: "127.0.0.1", port, asked, close: closeOnce };
}
