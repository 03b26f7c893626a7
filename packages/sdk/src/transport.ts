import { z } from "zod";
import { AnswerError, ConnectionError, readProblem } from "./errors.ts";

/** The part of fetch() that is used here. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: never;
  readonly signal?: AbortSignal;
  /** Streaming a request's body needs it (WHATWG Fetch, RequestInit.duplex). */
  readonly duplex?: "half";
  readonly credentials: "same-origin";
}

export type RequestBody = Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array>;

interface RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly json?: unknown;
  readonly body?: RequestBody;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** HTTP with a credential, problem documents as exceptions and answers checked. */
export interface Transport {
  /** Without a slash at its end; empty: the page's own origin. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Any answer below 400. @throws RequestError, ConnectionError */
  send(path: string, options?: RequestOptions): Promise<Response>;
  /** @throws AnswerError too, when the answer does not fit. */
  json<T>(schema: z.ZodType<T>, path: string, options?: RequestOptions): Promise<T>;
  /** For an answer without a body. */
  done(path: string, options?: RequestOptions): Promise<void>;
  /** The address of a WebSocket. */
  socketUrl(path: string): string;
}

export interface TransportOptions {
  readonly url: string;
  /** A bearer token; without one the browser's cookie is the credential. */
  readonly token?: string | undefined;
  readonly fetch?: Fetch | undefined;
}

export function createTransport(options: TransportOptions): Transport {
  const url = options.url.replace(/\/+$/, "");
  const send = options.fetch ?? ((address, init) => globalThis.fetch(address, init as never));
  const headers: Record<string, string> =
    options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };

  const transport: Transport = {
    url,
    headers,
    send: async (path, request = {}) => {
      const body = request.json === undefined ? request.body : JSON.stringify(request.json);
      const isStream = body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
      let response: Response;
      try {
        response = await send(url + path + queryOf(request.query), {
          method: request.method ?? "GET",
          headers: { ...headers, ...contentType(request), ...request.headers },
          credentials: "same-origin",
          ...(body === undefined ? {} : { body: body as never }),
          ...(isStream ? { duplex: "half" as const } : {}),
          ...(request.signal === undefined ? {} : { signal: request.signal }),
        });
      } catch (cause) {
        if (request.signal?.aborted === true) throw request.signal.reason;
        throw new ConnectionError(url, `No server answers at ${url || "this address"}.`, { cause });
      }
      if (response.status >= 400) throw await readProblem(response);
      return response;
    },
    json: async (schema, path, request) => {
      const response = await transport.send(path, request);
      let answer: unknown;
      try {
        answer = await response.json();
      } catch (cause) {
        throw new AnswerError(`The answer to ${path} is not JSON.`, { cause });
      }
      const checked = schema.safeParse(answer);
      if (!checked.success) {
        throw new AnswerError(`The answer to ${path} does not fit: ${z.prettifyError(checked.error)}`, {
          cause: checked.error,
        });
      }
      return checked.data;
    },
    done: async (path, request) => {
      const response = await transport.send(path, request);
      await response.body?.cancel();
    },
    socketUrl: (path) => {
      // A page's own origin, where there is no address to start from.
      const base = url === "" ? (globalThis as { location?: { origin: string } }).location?.origin : url;
      return `${base}${path}`.replace(/^http/, "ws");
    },
  };
  return transport;
}

function contentType(request: RequestOptions): Record<string, string> {
  if (request.json !== undefined) return { "content-type": "application/json" };
  return request.body === undefined ? {} : { "content-type": "application/octet-stream" };
}

function queryOf(query: RequestOptions["query"]): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    for (const one of typeof value === "object" ? value : [value]) search.append(key, String(one));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}
