import { createServer, type Server, type Socket } from "node:net";
import { type Client, openTunnel } from "@microterm/sdk";
import { CliError, explain, say } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";

/** A port here, and one of the environment. */
export interface Mapping {
  readonly local: number;
  readonly remote: number;
}

/** Both, so that `localhost` arrives here whichever a program tries first. */
const ADDRESSES = ["127.0.0.1", "::1"] as const;

/** `8080:3000`, or `3000` for the same port at both ends; 0 as LOCAL takes a free one. @throws CliError */
export function parseMapping(text: string): Mapping {
  const [, local, remote] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? [];
  const mapping = { local: Number(local ?? remote), remote: Number(remote) };
  if (remote === undefined || mapping.remote < 1 || mapping.remote > 65_535 || mapping.local > 65_535) {
    throw new CliError(`${text} is no port mapping.`, { hint: "Write it like 3000, or 8080:3000 for port 8080 here." });
  }
  return mapping;
}

export async function portForward(name: string, texts: readonly string[], options: ServerOptions): Promise<void> {
  const mappings = texts.map(parseMapping);
  const client = connect(options);
  // Says at once what is wrong with the name or the server.
  await client.environments.get(name);
  for (const mapping of mappings) await listenFor(client, name, mapping);
  say("Until Ctrl-C. It goes on where the environment is paused, or the server restarted.");
}

async function listenFor(client: Client, name: string, { local, remote }: Mapping): Promise<void> {
  const forward = createForwarder(client, name, remote);
  const first = await listen(forward, local, ADDRESSES[0]);
  const { port } = first.address() as { readonly port: number };
  await listen(forward, port, ADDRESSES[1]).catch((error: unknown) => {
    // Without IPv6 there is no such address, and nobody else is at it.
    const code = (error as { readonly code?: string }).code;
    if (code !== "EADDRNOTAVAIL" && code !== "EAFNOSUPPORT") throw error;
  });
  console.log(`http://127.0.0.1:${port} -> port ${remote} of ${name}`);
}

function listen(forward: (socket: Socket) => void, port: number, host: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, forward);
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(explainListen(error, port)));
    server.listen({ port, host, ipv6Only: true }, () => resolve(server));
  });
}

function explainListen(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code === "EADDRINUSE") {
    return new CliError(`Port ${port} is used by another program here.`, {
      hint: "Give another one of this machine's before a colon, like 8080:3000.",
      cause: error,
    });
  }
  if (error.code === "EACCES") {
    return new CliError(`Port ${port} of this machine needs privileges.`, {
      hint: "Give one above 1023 before a colon, like 8080:80.",
      cause: error,
    });
  }
  return error;
}

function createForwarder(client: Client, name: string, remote: number): (socket: Socket) => void {
  let lastSaid = "";
  const failed = (error: unknown): void => {
    const text = explain(error);
    // A page that loads asks many times.
    if (text !== lastSaid) say(text);
    lastSaid = text;
  };
  return (socket) => {
    socket.setNoDelay(true);
    const tunnel = openTunnel({
      ...client.previews.target(name, remote),
      onOpen: () => {
        lastSaid = "";
        socket.resume();
      },
      onData: (bytes) =>
        socket.write(bytes) || socket.destroyed
          ? undefined
          : new Promise<void>((resolve) => {
              socket.once("drain", resolve);
              socket.once("close", resolve);
            }),
      onEnd: () => void socket.end(),
    });
    let isOver = false;
    socket.pause();
    socket.on("data", (bytes: Buffer) => {
      socket.pause();
      void tunnel.write(bytes).then(() => socket.resume());
    });
    socket.on("end", () => tunnel.end());
    socket.on("error", () => tunnel.close());
    socket.on("close", () => {
      isOver = true;
      // One that has ended on both sides goes on until the rest of it has arrived.
      if (!socket.readableEnded || !socket.writableFinished) tunnel.close();
    });
    tunnel.closed.catch((error: unknown) => {
      if (!isOver) failed(error);
      socket.resetAndDestroy();
    });
  };
}
