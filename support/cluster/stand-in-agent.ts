/**
 * One program in the place of the agents of all pods on fake nodes, which run nothing (`fake-nodes.ts`). It speaks the agent's protocol as far as
 * creates, lists and idle environments ask for it. It has each machine's key by the rights of an admin, from the Secret that servers delete
 * once they are connected. `stand-in-agent.ts PORT`; prints a line once it listens.
 */
import { spawn } from "node:child_process";
import { constants, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createServer, type TLSSocket } from "node:tls";
import { toPem } from "@microterm/host";
import { FRAME } from "@microterm/protocol";
import { inCluster } from "./in-cluster.ts";

const PROMPT = Buffer.from("$ ");
const MAX_STREAMS = 128;
const BOOT_ID = "00000000-0000-4000-8000-000000000000";

interface Keys {
  readonly key: string;
  readonly cert: string;
}

interface Terminal {
  readonly id: string;
  readonly cols: number;
  readonly rows: number;
}

/** What is told of pods: the server may know of one before this program does. */
class Told<T> {
  readonly #known = new Map<string, T>();
  readonly #asked = new Map<string, PromiseWithResolvers<T>>();

  get(key: string): T | undefined {
    return this.#known.get(key);
  }

  set(key: string, value: T): void {
    this.#known.set(key, value);
    this.#asked.get(key)?.resolve(value);
    this.#asked.delete(key);
  }

  async once(key: string): Promise<T> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const asked = this.#asked.get(key) ?? Promise.withResolvers<T>();
    this.#asked.set(key, asked);
    return asked.promise;
  }
}

/** A pod's name by its address. One comes again, with another pod. */
const names = new Told<string>();
const keys = new Told<Keys>();
const terminals = new Map<string, Map<string, Terminal>>();

/** Each object that there is, and each change, as a line of these parts. It ends with this process. */
function follow(resource: string, parts: readonly string[], told: (parts: readonly string[]) => void): void {
  const cluster = inCluster();
  if (cluster === null) throw new Error("there is no cluster: support/cluster/run.ts starts one");
  const format = `jsonpath=${parts.map((part) => `{${part}}`).join('{" "}')}{"\\n"}`;
  const kubectl = [join(cluster.programs, "kubectl"), "--kubeconfig", cluster.adminKubeConfigFile];
  const watch = [...kubectl, "get", resource, "--watch", "--output", format];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...watch], { stdio: ["ignore", "pipe", "inherit"] });
  createInterface(child.stdout).on("line", (line) => told(line.split(" ")));
}

follow("secrets", [".metadata.name", ".data.key", ".data.certificate"], ([name = "", key = "", certificate = ""]) => {
  if (key === "") return;
  const [keyBytes, certificateBytes] = [Buffer.from(key, "base64"), Buffer.from(certificate, "base64")];
  keys.set(name, { key: toPem("PRIVATE KEY", keyBytes), cert: toPem("CERTIFICATE", certificateBytes) });
});
follow("pods", [".metadata.name", ".status.podIP"], ([name = "", address = ""]) => {
  if (address !== "") names.set(address, name);
});

// Each connection has its machine's keys: they are set in the turn in which it is handed on.
const secure = createServer({ requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3" }, (socket) => {
  serve(socket, names.get(addressOf(socket)) ?? "");
});
secure.on("tlsClientError", () => undefined);

const addressOf = ({ localAddress = "" }: Pick<Socket, "localAddress">): string => localAddress.replace("::ffff:", "");

const plain = createTcpServer(async (socket) => {
  socket.on("error", () => socket.destroy());
  const own = await keys.once(await names.once(addressOf(socket)));
  if (socket.destroyed) return;
  secure.setSecureContext({ ...own, minVersion: "TLSv1.3" });
  secure.emit("connection", socket);
});

function serve(socket: TLSSocket, name: string): void {
  const session = performServerHandshake(socket, { settings: { maxConcurrentStreams: MAX_STREAMS } });
  session.on("error", () => session.destroy());
  session.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    void answer(stream, `${headers[":method"]} ${headers[":path"]}`, name);
  });
}

async function answer(stream: ServerHttp2Stream, call: string, name: string): Promise<void> {
  const own = terminals.get(name) ?? new Map<string, Terminal>();
  terminals.set(name, own);
  const [, id = "", verb] = /^\w+ \/v1\/terminals\/(\w+)(?:\/(\w+))?/.exec(call) ?? [];
  switch (true) {
    case call === "GET /v1/hello":
      return reply(stream, { protocol: 5, agent: "stand-in", bootId: BOOT_ID, uptimeMs: 1, sealed: false });
    case call === "POST /v1/identity":
      return reply(stream, { bootId: BOOT_ID });
    case call === "GET /v1/terminals":
      return reply(stream, { terminals: [...own.values()].map(reported) });
    case call === "POST /v1/terminals": {
      const { id: wished, cols, rows } = JSON.parse(await textOf(stream)) as Terminal;
      own.set(wished, { id: wished, cols, rows });
      return reply(stream, reported({ id: wished, cols, rows }), 201);
    }
    case call.startsWith("DELETE /v1/terminals/"):
      own.delete(id);
      return reply(stream, null);
    case verb === "attach":
      return attach(stream, own.get(id) ?? { id, cols: 80, rows: 24 });
    case call === "POST /v1/names":
      stream.respond({ ":status": 200 });
      return void stream.resume();
    default:
      await textOf(stream);
      return reply(stream, null);
  }
}

const reported = ({ id, cols, rows }: Terminal) => ({
  ...{ id, pid: 1, cols, rows, startOffset: 0, endOffset: PROMPT.length, createdUnixMs: 0, exit: null },
});

function reply(stream: ServerHttp2Stream, body: object | null, status = body === null ? 204 : 200): void {
  if (stream.destroyed) return;
  stream.resume();
  stream.respond({ ":status": status }, { endStream: body === null });
  if (body !== null) stream.end(JSON.stringify(body));
}

/** Its size and its prompt, and nothing more. */
function attach(stream: ServerHttp2Stream, { cols, rows }: Terminal): void {
  const size = Buffer.alloc(12);
  size.writeUInt16BE(cols, 8);
  size.writeUInt16BE(rows, 10);
  stream.respond({ ":status": 200 });
  stream.write(Buffer.concat([frame(FRAME.resized, size), frame(FRAME.output, Buffer.alloc(8), PROMPT)]));
  stream.resume();
  stream.once("end", () => stream.close(constants.NGHTTP2_NO_ERROR));
}

function frame(type: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

const textOf = async (stream: ServerHttp2Stream): Promise<string> =>
  Buffer.concat(await stream.toArray()).toString("utf8");

plain.listen(Number(process.argv[2]), "0.0.0.0", () => console.log("listening"));
