import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { AccountId } from "@microterm/protocol";
import { z } from "zod";
import type { FlowSecrets } from "./provider.ts";

/** Between leaving for the provider and coming back: people look for their second factor. */
export const FLOW_LIFETIME_MS = 10 * 60_000;
/** Of used ones. The oldest go: codes work once at the provider, too. */
const MAX_USED = 10_000;

const Flow = z.strictObject({
  /** 256 random bits, of which state, nonce and PKCE's verifier are made. */
  secret: z.string().length(43),
  /** Milliseconds since the epoch. */
  begunAt: z.number().int(),
  /** A path of ours, where the person goes then. */
  to: z.string().max(512),
  /** Who wants to link the identity, and the hash of that session; null: somebody signs in. */
  link: z.strictObject({ account: AccountId, session: z.string().max(128) }).nullable(),
});
export type Flow = Readonly<z.infer<typeof Flow>>;

/**
 * Sign-ins that are under way at the provider. The server keeps none of them, as anybody may begin as many as they like: the browser does,
 * in a cookie that is sealed with `key`: of this process, so that people begin again after a restart, or of all servers of a fleet.
 */
export interface Flows {
  begin(wish: Pick<Flow, "to" | "link">): { readonly flow: Flow; readonly sealed: string };
  /** What {@link begin} has sealed, once, within {@link FLOW_LIFETIME_MS} and with its own state; null: anything else. */
  take(sealed: string, state: string | null): Flow | null;
}

/** `now` is in milliseconds since the epoch, `key` 32 bytes. */
export function createFlows(now: () => number, key: Uint8Array = randomBytes(32)): Flows {
  const seal = (body: string): string => createHmac("sha256", key).update(body).digest("base64url");
  const used = new Set<string>();

  function open(sealed: string): Flow | null {
    const [, body = "", mac = ""] = /^([\w-]{1,2048})\.([\w-]{43})$/.exec(sealed) ?? [];
    if (mac === "" || !timingSafeEqual(Buffer.from(mac), Buffer.from(seal(body)))) return null;
    return Flow.parse(JSON.parse(Buffer.from(body, "base64url").toString()));
  }

  return {
    begin(wish) {
      const flow: Flow = { ...wish, secret: randomBytes(32).toString("base64url"), begunAt: now() };
      const body = Buffer.from(JSON.stringify(flow)).toString("base64url");
      return { flow, sealed: `${body}.${seal(body)}` };
    },
    take(sealed, state) {
      const flow = open(sealed);
      if (flow === null || Math.abs(now() - flow.begunAt) > FLOW_LIFETIME_MS || used.has(flow.secret)) return null;
      // Before it is used up: anybody may lead a browser to the callback.
      if (state !== secretsOf(flow).state) return null;
      const [oldest] = used;
      if (used.size >= MAX_USED && oldest !== undefined) used.delete(oldest);
      used.add(flow.secret);
      return flow;
    },
  };
}

/** One cannot be told from another, nor the secret from any of them. */
export function secretsOf({ secret }: Pick<Flow, "secret">): FlowSecrets {
  const derive = (use: string): string => createHmac("sha256", secret).update(use).digest("base64url");
  return { state: derive("state"), nonce: derive("nonce"), verifier: derive("verifier") };
}
