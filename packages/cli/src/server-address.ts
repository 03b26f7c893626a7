import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { type Client, createClient, type OpenSocket, type SocketLike } from "@microterm/sdk";
import { CliError } from "./failure.ts";

export interface ServerOptions {
  /** `--data`. */
  readonly data?: string;
}

export interface ServerAddress {
  readonly url: string;
  readonly token: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the server is and what opens it: MICROTERM_URL with MICROTERM_TOKEN, else what the server wrote into its data
 * folder (docs/reference/http-api.md).
 */
export function findServer(options: ServerOptions, env: Environment = process.env): ServerAddress {
  const url = env.MICROTERM_URL;
  if (url) {
    // The data folder's token is not sent to an address from elsewhere.
    const token = env.MICROTERM_TOKEN;
    if (!token) throw new CliError(`MICROTERM_URL is ${url}, but MICROTERM_TOKEN is not set.`);
    if (!/^https?:\/\/[^/]/.test(url)) throw new CliError(`MICROTERM_URL is ${url}, which is not an http address.`);
    return { url, token };
  }
  const data = resolve(options.data ?? (env.MICROTERM_DATA || defaultDataFolder(env)));
  const again = options.data === undefined ? "./microterm up" : `./microterm up --data ${options.data}`;
  const written = readText(join(data, "server/server.json"), again);
  const token = readText(join(data, "server/token"), again).trim();
  const found: unknown = parse(written);
  const address = typeof found === "object" && found !== null && "url" in found ? found.url : null;
  // The server's user wrote it, which is not who asks where root does: the token goes to this host alone.
  if (typeof address !== "string" || !/^http:\/\/127\.0\.0\.1:\d{1,5}$/.test(address))
    throw new CliError(`${data}/server/server.json has no address in it.`, { hint: again });
  return { url: address, token };
}

function defaultDataFolder(env: Environment): string {
  if (userInfo().uid === 0) return "/var/lib/microterm";
  return join(env.XDG_STATE_HOME || join(homedir(), ".local/state"), "microterm");
}

function readText(path: string, hint: string): string {
  try {
    return readPlainFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "EACCES") {
      throw new CliError(`${path} may not be read by ${userInfo().username}.`, {
        hint: "Run this as the user who started the server, or set MICROTERM_URL and MICROTERM_TOKEN.",
        cause,
      });
    }
    if (code === "ELOOP") throw new CliError(`${path} is a link, which no server makes.`, { cause });
    if (code !== "ENOENT" && code !== "ENOTDIR") throw cause;
    throw new CliError(`No server has been started here: ${path} does not exist.`, { hint, cause });
  }
}

/** Both files are a line each. */
const MAX_BYTES = 4096;

/** No link that the server's user may have put in a file's place, which would have root send off what it leads to. */
function readPlainFile(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    if (found.isFile() && found.nlink === 1 && found.size <= MAX_BYTES) return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
  throw new CliError(`${path} is not a file that a server wrote.`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * `ws` and not the global WebSocket: it can stop reading, which holds back a command whose output nobody takes. Loaded
 * when it is needed: most verbs need none.
 */
const openSocket: OpenSocket = (url, { protocol, headers }) => {
  const { WebSocket } = createRequire(import.meta.url)("ws") as typeof import("ws");
  return new WebSocket(url, protocol, {
    headers,
    perMessageDeflate: false,
    handshakeTimeout: 15_000,
  }) as unknown as SocketLike;
};

export function connect(options: ServerOptions): Client {
  return createClient({ ...findServer(options), openSocket });
}
