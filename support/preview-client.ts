import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type Answer, type Call, send, type TestServer } from "./server.ts";

/** What a browser sends of a session: the cookie, its key, and where its page comes from. */
export async function signInSession(server: TestServer): Promise<Readonly<Record<string, string>>> {
  const { token } = await server.ok("POST", "/v1/links");
  const answer = await server.call("POST", "/v1/session", { token: null, body: { token } });
  if (answer.status !== 200) throw new Error(answer.text);
  return {
    cookie: cookieOf(answer),
    "x-microterm-session": answer.json.key,
    origin: `http://127.0.0.1:${server.port}`,
  };
}

export const cookieOf = (answer: Answer): string => String(answer.headers["set-cookie"]?.[0]).split(";")[0] ?? "";

/** An environment's port, as a browser has opened it. */
export class PreviewClient {
  readonly server: TestServer;
  readonly host: string;
  cookie = "";

  constructor(server: TestServer, environment: string, port: number) {
    this.server = server;
    this.host = `${port}-${environment}.localhost:${server.port}`;
  }

  /** Opens it with a ticket of a session. */
  static async open(
    server: TestServer,
    environment: string,
    port: number,
    session?: Call["headers"],
  ): Promise<PreviewClient> {
    const preview = new PreviewClient(server, environment, port);
    const headers = session ?? (await signInSession(server));
    const call: Call = { token: null, headers, body: { port } };
    const answer = await server.call("POST", `/v1/environments/${environment}/previews/tickets`, call);
    if (answer.status !== 201) throw new Error(answer.text);
    const entered = await preview.visit(answer.json.url);
    if (entered.status !== 303) throw new Error(`${entered.status} ${entered.text}`);
    preview.cookie = cookieOf(entered);
    return preview;
  }

  /** An address of its own, as a browser that resolves `*.localhost` asks for it. */
  visit(url: string): Promise<Answer> {
    const { pathname, search, host } = new URL(url);
    if (host !== this.host) throw new Error(`${host} is not ${this.host}`);
    return this.call("GET", pathname + search);
  }

  call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const cookie = this.cookie === "" ? {} : { cookie: this.cookie };
    const headers = { host: this.host, ...cookie, ...call.headers };
    return send(`${this.server.url}${path}`, method, { token: null, ...call, headers });
  }
}

/** A program that listens where the `process` driver's guests do: on this host's loopback. */
export async function listen(server: Server | ReturnType<typeof createTcpServer>, host = "127.0.0.1"): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        if ("closeAllConnections" in server) server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  return (server.address() as AddressInfo).port;
}

export const serveHttp = (listener: RequestListener, host?: string): Promise<number> =>
  listen(createServer(listener), host);

/** A program that answers every connection with these bytes, whatever it is asked. */
export function serveBytes(bytes: string | Buffer, { keepsOpen = false } = {}): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => (keepsOpen ? socket.write(bytes) : socket.end(bytes)));
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listen(server);
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await request.toArray());
}
