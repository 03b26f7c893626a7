import { createRequire } from "node:module";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { PublicUrl } from "@microterm/protocol";
import {
  type Administration,
  type Client,
  createAdministration,
  createClient,
  type Fetch,
  type OpenSocket,
  type SocketLike,
} from "@microterm/sdk";
import { CliError } from "./failure.ts";
import { isServer, readServerFolder } from "./server-folder.ts";

export interface ServerOptions {
  /** `--data`. */
  readonly data?: string;
}

export interface ServerAddress {
  readonly url: string;
  readonly token: string;
  /** What browsers from elsewhere use, an origin; null: `url` is all there is. */
  readonly publicUrl: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the server is and what opens it: MICROTERM_URL with MICROTERM_TOKEN, else what the server wrote into its data
 * folder (docs/reference/http-api.md).
 */
export function findServer(options: ServerOptions, env: Environment = process.env): ServerAddress {
  if (env.MICROTERM_URL) return namedServer(env.MICROTERM_URL, env);
  const data = resolve(options.data ?? (env.MICROTERM_DATA || defaultDataFolder(env)));
  const again = options.data === undefined ? "./microterm up" : `./microterm up --data ${options.data}`;
  const { uid, json, token } = readServerFolder(join(data, "server"), again);
  const found = parse(json);
  // The server's user wrote it, which is not who asks where root does: the token goes to this host alone.
  if (typeof found.url !== "string" || !/^http:\/\/127\.0\.0\.1:\d{1,5}$/.test(found.url))
    throw new CliError(`${data}/server/server.json has no address in it.`, { hint: again });
  if (!isServer(found.pid, { uid, data })) {
    // Any process can take a port that a server has left, and would be sent the token.
    throw new CliError(`No server runs here: the one that wrote ${data}/server/server.json has ended.`, {
      hint: again,
    });
  }
  return { url: found.url, token, publicUrl: publicUrlOf(found.exposure) };
}

/** Where links lead that are for people's browsers: the public URL where the server has one. */
export function linkOrigin(options: ServerOptions): string {
  const { url, publicUrl } = findServer(options);
  return publicUrl ?? url;
}

/** Null of what no server has written. */
function publicUrlOf(exposure: unknown): string | null {
  const { publicUrl } = (exposure ?? {}) as { readonly publicUrl?: unknown };
  return PublicUrl.safeParse(publicUrl).data ?? null;
}

/** The data folder's token is not sent to an address from elsewhere. */
function namedServer(url: string, env: Environment): ServerAddress {
  const token = env.MICROTERM_TOKEN;
  if (!token) throw new CliError(`MICROTERM_URL is ${url}, but MICROTERM_TOKEN is not set.`);
  const { protocol, hostname } = URL.parse(url) ?? { protocol: "", hostname: "" };
  if (protocol !== "http:" && protocol !== "https:")
    throw new CliError(`MICROTERM_URL is ${url}, which is not an http address.`);
  const isHere = hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
  if (protocol === "http:" && !isHere && env.MICROTERM_INSECURE !== "1") {
    throw new CliError(
      `MICROTERM_URL is ${url}: the token would cross the network in clear, for anybody on the way to use.`,
      {
        hint: "Use https, or a tunnel (ssh -L) and its local address; MICROTERM_INSECURE=1 sends it all the same.",
      },
    );
  }
  return { url, token, publicUrl: null };
}

function defaultDataFolder(env: Environment): string {
  if (userInfo().uid === 0) return "/var/lib/microterm";
  return join(env.XDG_STATE_HOME || join(homedir(), ".local/state"), "microterm");
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/**
 * `ws` and not the global WebSocket: it can stop reading, which holds back a command whose output is not read. Loaded
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

export function connect(options: ServerOptions): Client & Administration {
  const first = findServer(options);
  // A server's token ends with it: `attach` goes on with the next one's, once that is at the same address.
  const authorization = (): string => {
    const { url, token } = findServer(options);
    if (url !== first.url) throw new CliError(`The server is at ${url} now.`);
    return `Bearer ${token}`;
  };
  const fetch: Fetch = async (url, init) =>
    globalThis.fetch(url, { ...init, headers: { ...init.headers, authorization: authorization() } } as never);
  const client = createClient({
    ...{ ...first, fetch },
    openSocket: (url, { protocol, headers }) => {
      try {
        return openSocket(url, { protocol, headers: { ...headers, authorization: authorization() } });
      } catch {
        // Between two servers: it is refused, and tried again.
        return openSocket(url, { protocol, headers });
      }
    },
  });
  return { ...client, ...createAdministration({ ...first, fetch }) };
}
