import type { IncomingMessage } from "node:http";
import { PlatformError, Port } from "@microterm/protocol";
import { z } from "zod";

/** What a peer says with each request that it forwards. Of anybody else it is not read. */
export const FORWARDED_HEADER = "microterm-forwarded";

/** How a client came to the server that forwards its request, and that has checked Host and Origin. A newer server may say more than is read here. */
const Forwarded = z.object({
  /** The client's; empty where its connection had ended. */
  address: z.union([z.ipv4(), z.ipv6(), z.literal("")]),
  /** Of that server's loopback addresses: cookies are called after it. */
  port: Port,
  /** It was asked for at the public URL. */
  isPublic: z.boolean(),
  /** It is for a preview, whose address has this scheme. */
  preview: z.enum(["http", "https"]).nullable(),
  /** The client has the data folder's token there, which is of no row. */
  isDataFolder: z.boolean(),
});
export type Forwarded = Readonly<z.infer<typeof Forwarded>>;

/** Only the peer listener puts in here what is believed. */
const requests = new WeakMap<IncomingMessage, Forwarded>();

/** Null: the client came to this server itself. */
export const forwardedOf = (request: IncomingMessage): Forwarded | null => requests.get(request) ?? null;

/** Takes a request as forwarded by a peer. Throws `BAD_REQUEST`. */
export function believe(request: IncomingMessage): void {
  const text = request.headers[FORWARDED_HEADER];
  const parsed = Forwarded.safeParse(typeof text === "string" ? parse(text) : undefined);
  if (!parsed.success) throw new PlatformError("BAD_REQUEST", `The header ${FORWARDED_HEADER} cannot be read.`);
  requests.set(request, parsed.data);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
