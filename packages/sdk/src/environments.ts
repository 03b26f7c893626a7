import {
  AdminAct,
  type AllowRule,
  type CreateEnvironment,
  Environment,
  type EnvironmentState,
  ERRORS,
  NetworkDenial,
  NetworkStatus,
  Receipt,
  type UpdateEnvironment,
  Usage,
} from "@microterm/protocol";
import { z } from "zod";
import { realTiming, type Timing } from "./backoff.ts";
import { ConnectionError, RequestError } from "./errors.ts";
import type { Transport } from "./transport.ts";

const List = z.strictObject({ environments: z.array(Environment) });
const AdminActs = z.strictObject({ acts: z.array(AdminAct) });
const Denials = z.strictObject({ denials: z.array(NetworkDenial) });
/** One wait on the server; proxies cut idle requests after a minute or so. */
const WAIT_STEP_MS = 30_000;
const RETRY_MS = 250;

export type WaitState = EnvironmentState | "gone";

/** Environments, each named by its id, its exact name, or a unique prefix of its id. */
export interface Environments {
  /** Resolves in state `creating`. The same `idempotencyKey` never makes a second one. */
  create(
    wish: CreateEnvironment,
    options?: { readonly idempotencyKey?: string; readonly signal?: AbortSignal },
  ): Promise<Environment>;
  list(options?: { readonly signal?: AbortSignal }): Promise<Environment[]>;
  get(environment: string, options?: { readonly signal?: AbortSignal }): Promise<Environment>;
  /** Changes when it ends by itself and what it may reach; `ttlSeconds` counts from now, and 0 is never. */
  update(environment: string, wish: UpdateEnvironment): Promise<Environment>;
  stop(environment: string): Promise<Environment>;
  start(environment: string): Promise<Environment>;
  /** Keeps its memory on the host's disk and switches it off. @throws RequestError UNSUPPORTED where the driver cannot. */
  pause(environment: string): Promise<Environment>;
  /** Goes on where it was paused. */
  resume(environment: string): Promise<Environment>;
  /** Destroys it; the receipt says what was removed. The same again when repeated. */
  remove(environment: string): Promise<Receipt>;
  /**
   * Resolves once it is in one of `states` (to null for `gone`), going on across a restart of the server.
   * @throws RequestError ENVIRONMENT_STATE when it can no longer get there, WAIT_TIMEOUT after `timeoutMs`.
   */
  waitFor(
    environment: string,
    states: readonly WaitState[],
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly timing?: Timing },
  ): Promise<Environment | null>;
  /** The serial console, as bytes; `follow` goes on with what comes. */
  logs(environment: string, options?: { readonly follow?: boolean; readonly signal?: AbortSignal }): Promise<Response>;
  /** What a running one uses now. @throws RequestError ENVIRONMENT_STATE for others. */
  metrics(environment: string): Promise<Usage>;
  network(environment: string): Promise<NetworkStatus>;
  /** What it was refused in the last hour, in no order. */
  denials(environment: string): Promise<NetworkDenial[]>;
  /** Has it be in a shared network, by name or id, in the place of the one that it was in. */
  joinNetwork(environment: string, network: string): Promise<Environment>;
  leaveNetwork(environment: string): Promise<Environment>;
  /** Adds one rule to what it may reach. */
  allow(environment: string, rule: AllowRule): Promise<Environment>;
  /** Takes one rule out of its allowlist, and no other that is added meanwhile. */
  disallow(environment: string, rule: AllowRule): Promise<Environment>;
  /** What admins did with one's own: looked into their terminals, or gave them to others. The newest first. */
  adminActs(): Promise<AdminAct[]>;
}

export function environmentPath(environment: string): string {
  return `/v1/environments/${encodeURIComponent(environment)}`;
}

export function createEnvironments(transport: Transport): Environments {
  const path = environmentPath;
  return {
    create: (wish, options = {}) =>
      transport.json(Environment, "/v1/environments", {
        method: "POST",
        json: wish,
        headers: options.idempotencyKey === undefined ? {} : { "idempotency-key": options.idempotencyKey },
        signal: options.signal,
      }),
    list: async (options = {}) =>
      (await transport.json(List, "/v1/environments", { signal: options.signal })).environments,
    get: (environment, options = {}) => transport.json(Environment, path(environment), { signal: options.signal }),
    update: (environment, wish) => transport.json(Environment, path(environment), { method: "PATCH", json: wish }),
    adminActs: async () => (await transport.json(AdminActs, "/v1/account/admin-acts")).acts,
    stop: (environment) => transport.json(Environment, `${path(environment)}/stop`, { method: "POST" }),
    start: (environment) => transport.json(Environment, `${path(environment)}/start`, { method: "POST" }),
    pause: (environment) => transport.json(Environment, `${path(environment)}/pause`, { method: "POST" }),
    resume: (environment) => transport.json(Environment, `${path(environment)}/resume`, { method: "POST" }),
    remove: (environment) => transport.json(Receipt, path(environment), { method: "DELETE" }),
    waitFor: (environment, states, options = {}) => waitFor(transport, environment, states, options),
    logs: (environment, options = {}) =>
      transport.send(`${path(environment)}/logs`, {
        query: { follow: options.follow === true ? 1 : undefined },
        signal: options.signal,
      }),
    metrics: (environment) => transport.json(Usage, `${path(environment)}/metrics`),
    network: (environment) => transport.json(NetworkStatus, `${path(environment)}/network`),
    joinNetwork: (environment, network) =>
      transport.json(Environment, `${path(environment)}/network/join`, { method: "POST", json: { network } }),
    leaveNetwork: (environment) =>
      transport.json(Environment, `${path(environment)}/network/leave`, { method: "POST" }),
    denials: async (environment) => (await transport.json(Denials, `${path(environment)}/network/denials`)).denials,
    allow: (environment, rule) =>
      transport.json(Environment, `${path(environment)}/network/allow`, { method: "POST", json: rule }),
    disallow: (environment, rule) =>
      transport.json(Environment, `${path(environment)}/network/disallow`, { method: "POST", json: rule }),
  };
}

async function waitFor(
  transport: Transport,
  environment: string,
  states: readonly WaitState[],
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly timing?: Timing },
): Promise<Environment | null> {
  const timing = options.timing ?? realTiming;
  const deadline = timing.now() + (options.timeoutMs ?? 120_000);
  for (;;) {
    const left = Math.max(0, deadline - timing.now());
    try {
      const response = await transport.send(`${environmentPath(environment)}/wait`, {
        query: { state: states, timeoutMs: Math.min(WAIT_STEP_MS, Math.max(1, Math.ceil(left))) },
        signal: options.signal,
      });
      return response.status === 204 ? null : Environment.parse(await response.json());
    } catch (error) {
      if (left === 0) throw error instanceof RequestError ? error : timeout(environment, states, error);
      const isWorthWaiting =
        error instanceof ConnectionError || (error instanceof RequestError && error.retryable && error.status !== 429);
      if (!isWorthWaiting) throw error;
      if (!(error instanceof RequestError && error.code === "WAIT_TIMEOUT")) {
        await new Promise<void>((done) => timing.after(Math.min(RETRY_MS, left), done));
      }
    }
  }
}

function timeout(environment: string, states: readonly string[], cause: unknown): unknown {
  if (cause instanceof ConnectionError) return cause;
  const { status, hint, retryable } = ERRORS.WAIT_TIMEOUT;
  return new RequestError("WAIT_TIMEOUT", {
    type: "about:blank",
    title: "WAIT_TIMEOUT",
    status,
    detail: `${environment} did not become ${states.join(" or ")} in time.`,
    code: "WAIT_TIMEOUT",
    hint,
    retryable,
  });
}
