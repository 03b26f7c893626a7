import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { findHolders } from "@microterm/host";
import { inCluster } from "./cluster/in-cluster.ts";
import { rustBinary } from "./rust-binaries.ts";
import { makeTempFolder } from "./temp-folder.ts";
import { testDatabaseUrl } from "./test-database.ts";

const MAIN = join(import.meta.dirname, "../packages/server/src/main.ts");
const EXPOSED = join(import.meta.dirname, "exposed-server.ts");
/** Shared by all servers of all tests, so that only the first of them compiles. */
const CODE_CACHE = join(tmpdir(), `microterm-test-code-${process.getuid?.() ?? 0}`);
const START_DEADLINE_MS = 120_000;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** Undefined when the body is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly json: any;
}

export interface Call {
  readonly body?: unknown;
  /** Sent as it is instead of `body`. */
  readonly raw?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the data folder's bearer token; null sends none. */
  readonly token?: string | null;
  /** For an `https` address: whom the client trusts, the name that the certificate has to be for, and where it comes from. */
  readonly tls?: { readonly ca: string; readonly servername: string; readonly localAddress?: string };
  /** Where the request comes from: one of this host's own loopback addresses. */
  readonly from?: string;
}

/** `TestServerOptions.command` of a server that may be reached from beyond its host. */
export const exposed = (args: readonly string[]): readonly string[] => [process.execPath, EXPOSED, ...args];

/** A real server process. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly data: string;
  /** Of the server that has the data folder now, which may be a later one. */
  readonly token: string;
  /** The process's exit code, once it has ended. */
  readonly ended: Promise<number | null>;
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** Like `call`, but fails unless the status is 2xx. Resolves with the JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  ok(method: string, path: string, body?: unknown): Promise<any>;
  /** A running environment. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  environment(name?: string): Promise<any>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** Destroys every environment, stops the server and removes its data. Resolves with processes that are left. */
  dispose(): Promise<readonly string[]>;
}

export interface TestServerOptions {
  /** An existing data folder: the server before had it. */
  readonly data?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The driver's own arguments; `ownDriver` when absent. */
  readonly driver?: readonly string[];
  /** The command that runs the server with these arguments; it must keep its pid. A plain one when absent. */
  readonly command?: (args: readonly string[]) => readonly string[];
}

/** A process that did not come up: how it ended, and what it said. */
export class ServerDidNotStart extends Error {
  override readonly name = "ServerDidNotStart";
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(exitCode: number | null, stderr: string, cause: unknown) {
    super(`the server ended with ${exitCode}: ${stderr}`, { cause });
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** Starts a server and resolves once `/readyz` says so. Rejects with {@link ServerDidNotStart}. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const data = options.data ?? (await makeTempFolder()).path;
  mkdirSync(CODE_CACHE, { recursive: true, mode: 0o700 });
  const proofs = options.data === undefined ? sharedProofOf(data) : null;
  const driver = options.driver ?? (await ownDriver());
  const args = ["serve", "--data", data, ...driver, "--port", "0", ...(options.args ?? [])];
  const url = await testDatabaseUrl(data);
  const database = url === null ? {} : { DATABASE_URL: url };
  const [program = "", ...rest] = options.command?.(args) ?? [process.execPath, MAIN, ...args];
  const child = spawn(program, rest, {
    env: { ...process.env, NODE_COMPILE_CACHE: CODE_CACHE, ...database, ...options.env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const address = await whereabouts(data, child, ended).catch(async (error: unknown) => {
    // One that has not ended by itself has not come up in time.
    child.kill("SIGKILL");
    const code = await ended;
    if (options.data === undefined) await rm(data, { recursive: true, force: true });
    throw new ServerDidNotStart(code, stderr.trim(), error);
  });
  const server = createHandle({ url: address, data, child, ended });
  await poll("the server to be ready", async () => (await server.call("GET", "/readyz")).status === 200);
  proofs?.keep();
  return server;
}

/** What a new data folder's server would prove of its cluster, which takes seconds, is proven once for all of them. */
function sharedProofOf(data: string): { keep(): void } | null {
  const cluster = inCluster();
  if (cluster === null) return null;
  const [own, shared] = [join(data, "server/cluster-proof.json"), join(cluster.folder, "cluster-proof.json")];
  mkdirSync(dirname(own), { mode: 0o700 });
  if (existsSync(shared)) copyFileSync(shared, own);
  return { keep: () => copyFileSync(own, shared) };
}

/** Pods where the test runs in a cluster, else processes with the real agent. */
async function ownDriver(): Promise<readonly string[]> {
  const cluster = inCluster();
  if (cluster === null) return ["--driver", "process", "--agent", await rustBinary("microterm-agent")];
  return ["--driver", "kubernetes", "--kubeconfig", cluster.kubeConfigFile, "--image", cluster.image];
}

async function whereabouts(data: string, child: ChildProcess, ended: Promise<unknown>): Promise<string> {
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  let url = "";
  await poll("server.json", () => {
    if (hasEnded) throw new Error("the server ended");
    try {
      const found = JSON.parse(readFileSync(join(data, "server/server.json"), "utf8"));
      // The file of a server that was killed is still there.
      if (found.pid === child.pid) url = found.url;
    } catch {
      return false;
    }
    return url !== "";
  });
  return url;
}

interface Parts {
  readonly url: string;
  readonly data: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

function createHandle({ url, data, child, ended }: Parts): TestServer {
  const server: TestServer = {
    url,
    data,
    // A server writes its token before it listens: what is read here is never older than the server that a request reaches.
    get token() {
      return readFileSync(join(data, "server/token"), "utf8").trim();
    },
    ended,
    port: Number(new URL(url).port),
    pid: child.pid as number,
    call: (method, path, call = {}) => send(`${url}${path}`, method, { token: server.token, ...call }),
    async ok(method, path, body) {
      const answer = await server.call(method, path, body === undefined ? {} : { body });
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.json;
    },
    async environment(name) {
      const { id } = await server.ok("POST", "/v1/environments", name === undefined ? {} : { name });
      return server.ok("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`);
    },
    kill(signal) {
      child.kill(signal);
      return ended;
    },
    async dispose() {
      if (child.exitCode === null && child.signalCode === null) {
        const { environments } = await server.ok("GET", "/v1/environments");
        for (const { id } of environments) await server.ok("DELETE", `/v1/environments/${id}`);
        await server.kill("SIGTERM");
      }
      const left = (await findHolders(dirname(data), [basename(data)])).map(({ pid }) => `process ${pid}`);
      await rm(data, { recursive: true, force: true });
      return left;
    },
  };
  return server;
}

/** One HTTP request, with whatever headers a test wants, Host and Origin among them. */
export function send(url: string, method: string, call: Call): Promise<Answer> {
  const { body, raw, headers = {}, token, from, tls } = call;
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const request = (tls === undefined ? httpRequest : httpsRequest)(url, {
      ...tls,
      method,
      agent: false,
      ...(from === undefined ? {} : { localAddress: from }),
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(payload === undefined ? {} : { "content-length": Buffer.byteLength(payload) }),
        ...headers,
      },
    });
    request.once("error", reject);
    request.once("response", async (response) => {
      try {
        const bytes = Buffer.concat(await response.toArray());
        const text = bytes.toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text, json: parse(text) });
      } catch (error) {
        reject(error);
      }
    });
    request.end(payload);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Asks until the answer is true. What it throws ends the waiting. */
export async function poll(
  what: string,
  ask: () => boolean | Promise<boolean>,
  timeoutMs = START_DEADLINE_MS,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
