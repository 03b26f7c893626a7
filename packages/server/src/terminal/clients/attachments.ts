import type { GuestAgent, GuestTerminal, TerminalRole } from "@microterm/core";
import { byOf, isAsking } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import { PlatformError, type TerminalId } from "@microterm/protocol";
import { z } from "zod";
import type { Identity } from "../../auth/authenticator.ts";
import { CLOSE } from "../../auth/live-connections.ts";
import type { PrincipalIdentity } from "../../auth/principals.ts";
import { parseOrBadRequest } from "../../http/problem.ts";
import { systemClock } from "../../process/system-clock.ts";
import { GrantParams, Switch, TerminalParams } from "../../routes/schemas.ts";
import type { Services } from "../../services.ts";
import type { TerminalHub } from "../hub/hub.ts";
import type { ClientSocket } from "./client-socket.ts";
import { HubClient, type HubClientOptions } from "./hub-client.ts";
import { createOnceAMinute } from "./once-a-minute.ts";
import { later } from "./output-window.ts";

const AttachQuery = z.strictObject({
  from: z
    .string()
    .regex(/^\d{1,20}$/, "must be an offset")
    .transform(BigInt)
    .refine((offset) => offset < 2n ** 64n, "must fit 64 bits")
    .optional(),
  role: z.enum(["owner", "viewer"]).default("owner"),
  input: z
    .string()
    .regex(/^[0-9a-z]{16,64}$/, "must be 16 to 64 of 0-9 and a-z")
    .optional(),
  presence: Switch,
});

/** What to do with a WebSocket once every check has passed, and what it leads to. */
export interface Session {
  /** Null: to none, or to all that its actor may see. */
  readonly environment: EnvironmentId | null;
  serve(client: ClientSocket): void;
}

export interface Attachments {
  own(identity: Identity, url: URL, path: Readonly<Record<string, string | undefined>>): Promise<Session>;
  shared(identity: PrincipalIdentity, url: URL, path: Readonly<Record<string, string | undefined>>): Promise<Session>;
}

interface Place {
  readonly hub: TerminalHub;
  readonly terminal: Pick<GuestTerminal, "id" | "startOffset" | "endOffset">;
  readonly agent: () => Promise<GuestAgent>;
}

type Client = Pick<HubClientOptions, "from" | "role" | "seat" | "isTold" | "shared" | "input">;

/** Brings clients to terminals: the owner's, and those whom a terminal is shared with. */
export function createAttachments(services: Services): Attachments {
  const { audit, environments, liveGrants, sharing, terminals } = services;
  const isFirstOfMinute = createOnceAMinute(systemClock);
  const asking = new Map<string, Promise<readonly GuestTerminal[]>>();

  async function find(id: EnvironmentId, wanted: TerminalId): Promise<Place> {
    const agent = () => environments.agentOf(id);
    const terminal = (await terminalsOf(id, agent)).find((candidate) => candidate.id === wanted);
    if (terminal === undefined) {
      throw new PlatformError("TERMINAL_NOT_FOUND", `The environment has no terminal '${wanted}'.`);
    }
    return { hub: await terminals.of(id, terminal), terminal, agent };
  }

  /**
   * For those whom it is shared with. A guest is not asked, nor a stream of it opened, by how often they come: one that was followed
   * already is taken as the hub has it. What is wrong with the environment is told without its name.
   */
  async function findShared(id: EnvironmentId, wanted: TerminalId): Promise<Place> {
    const agent = () => environments.agentOf(id);
    const known = await terminals.find(id, wanted);
    const isFollowed = known !== null && !known.isOver;
    const { hub } = isFollowed ? { hub: known } : await find(id, wanted).catch(withoutName);
    return { hub, agent, terminal: { id: wanted, startOffset: hub.log.start, endOffset: hub.liveFrom } };
  }

  /** Many who come at the same time ask the guest once. */
  function terminalsOf(id: EnvironmentId, agent: () => Promise<GuestAgent>): Promise<readonly GuestTerminal[]> {
    const known = asking.get(id);
    if (known !== undefined) return known;
    const answer = agent()
      .then((there) => there.terminals())
      .then((there) => {
        terminals.listed(id, there);
        return there;
      })
      .finally(() => asking.delete(id));
    asking.set(id, answer);
    return answer;
  }

  function attach(socket: ClientSocket, { hub, terminal, agent }: Place, client: Client): HubClient | null {
    if (hub.isOver) {
      socket.close(CLOSE.serverShutdown, "the terminal was closed just now");
      return null;
    }
    // The hub may have read on since the guest was asked.
    const end = later(hub.log.end, terminal.endOffset);
    const source = { log: hub.log, terminal: terminal.id, agent, broke: hub.broke };
    return new HubClient({ ...client, socket, hub, source, terminal: terminal.id, start: terminal.startOffset, end });
  }

  return {
    async own({ actor, account }, url, path) {
      const { env, terminal: wanted } = parseOrBadRequest(TerminalParams, path);
      const query = parseOrBadRequest(AttachQuery, Object.fromEntries(url.searchParams));
      const act = { action: "terminal.attached", target: env, detail: { terminal: wanted, role: query.role } } as const;
      const { id, role } = await audit.attempt(actor, act, () => environments.locateTerminal(actor, env, query.role));
      const place = await find(id, wanted);
      // It may have become another account's while the guest was asked.
      await environments.locate(actor, id, "terminal.view");
      void audit.note(actor, { ...act, environment: id, target: null, detail: { terminal: wanted, role } });
      const seat = { grant: null, name: account.name, isVerified: true, isLookIn: false, isAsking: false };
      const { from, input, presence: isTold } = query;
      const client = { from, input, role, isTold, seat, shared: null };
      return { environment: id, serve: (socket) => void attach(socket, place, client) };
    },

    async shared({ principal }, url, path) {
      const { grant } = parseOrBadRequest(GrantParams, path);
      const query = parseOrBadRequest(AttachQuery, Object.fromEntries(url.searchParams));
      const isAskedToLook = query.role === "viewer";
      const { environment, terminal } = await sharing.admit(principal, grant);
      const place = await findShared(environment, terminal);
      const { hub } = place;
      // The guest may have taken its time.
      const admission = await sharing.admit(principal, grant);
      // No byte from before it was let in; a hub that was opened since knows none that it has seen.
      const shownFrom = hub.shownFrom(grant, later(hub.log.end, hub.liveFrom));
      const from = query.from !== undefined && query.from >= shownFrom ? query.from : undefined;
      const roleOf = (granted: TerminalRole): TerminalRole => (isAskedToLook ? "viewer" : granted);
      // Anybody may come as a browser, as often as they like.
      if (principal.kind === "account" || isFirstOfMinute(grant)) {
        const detail = { terminal, role: roleOf(admission.role) };
        void audit.note(byOf(principal), { action: "terminal.attached", environment, target: grant, detail });
      }
      const seat = {
        ...{ grant, name: admission.accountName ?? admission.name, isVerified: admission.accountName !== null },
        ...{ isLookIn: admission.kind === "look-in", isAsking: isAsking(admission) },
      };
      const serve = (socket: ClientSocket): void => {
        // Older output would be a stream of the guest's for each of them.
        const startOffset = hub.log.start;
        const client = attach(
          socket,
          { ...place, terminal: { ...place.terminal, startOffset } },
          {
            ...{ from, seat, role: roleOf(admission.role), input: query.input, isTold: query.presence },
            shared: {
              grant,
              part: admission.scrollback ? "shared" : "visible",
              ask: (isWanted) => sharing.ask(principal, grant, isWanted),
            },
          },
        );
        if (client === null) return;
        const forget = liveGrants.add({
          ...{ principal, admission },
          changed: (now) => client.become(roleOf(now.role), isAsking(now)),
          close: (reason) => client.disconnect(reason),
        });
        if (forget === null) socket.close(CLOSE.protocolError, "too many connections by one grant are open");
        else socket.onClose(forget);
      };
      return { environment, serve };
    },
  };
}

function withoutName(error: unknown): never {
  if (!(error instanceof PlatformError && error.code === "ENVIRONMENT_STATE")) throw error;
  throw new PlatformError("ENVIRONMENT_STATE", "The environment of this terminal does not run.");
}
