import { PlatformError, type PreviewLink } from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import { createAnnouncements } from "../fleet/announcements.ts";
import type { PreviewGrant } from "../ports/repository.ts";
import type { IssuedTicket, PreviewService, PreviewServiceOptions, PreviewTarget } from "./preview-service.ts";

/** Characters of a-z0-9: 258 bits. */
const SECRET_LENGTH = 50;
/** A browser is sent there at once. */
const TICKET_LIFETIME_MS = 30_000;
/** Tickets are spent within seconds; past this many the oldest go. */
const MAX_TICKETS = 256;
/** A page that is left open is opened again from the environment's page after this time. */
const GRANT_LIFETIME_MS = 12 * 3_600_000;
/** Of one environment. */
const MAX_LINKS = 64;

interface Ticket extends Omit<IssuedTicket, "secret"> {
  readonly session: string;
}

const isOf = (found: PreviewTarget, target: PreviewTarget): boolean =>
  found.environment === target.environment && found.port === target.port;

export function createPreviewService(options: PreviewServiceOptions): PreviewService {
  const { storage, audit, locate, clock, random, sha256 } = options;
  const tickets = new Map<string, Ticket>();
  const ended = createAnnouncements(storage.fleet, "preview");
  const at = (ms: number): string => new Date(ms).toISOString();
  const now = (): string => at(clock.now());
  const earlier = (one: string, other: string | null): string => (other !== null && other < one ? other : one);

  async function share(
    actor: Actor,
    reference: string,
    { port, ttlSeconds }: { readonly port: number; readonly ttlSeconds: number },
  ): ReturnType<PreviewService["share"]> {
    const environment = await locate(actor, reference, "preview.share");
    if ((await storage.previews.links(environment, now())).length >= MAX_LINKS) {
      throw new PlatformError("TOO_MANY", `${MAX_LINKS} links to this environment's ports are shared already`);
    }
    const secret = random.id(SECRET_LENGTH);
    const grant: PreviewGrant = {
      ...{ environment, port, hash: sha256(secret), id: random.id(12), kind: "link", credential: null },
      ...{ createdAt: now(), expiresAt: at(clock.now() + ttlSeconds * 1000) },
    };
    const act = {
      action: "preview-link.created",
      environment,
      target: grant.id,
      detail: { port, ttlSeconds },
    } as const;
    const link = { by: actor.owner, most: MAX_LINKS };
    if (!(await audit.change(actor, act, ({ previews }) => previews.insert(grant, link)))) {
      throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed, or given away, meanwhile");
    }
    return { secret, environment, expiresAt: grant.expiresAt, link: toLink(grant) };
  }

  async function revoke(actor: Actor, reference: string, link: string): Promise<void> {
    const environment = await locate(actor, reference, "preview.share");
    const act = { action: "preview-link.revoked", environment, target: link } as const;
    const hash = await audit.change(actor, act, ({ previews }) => previews.removeLink(environment, link));
    if (hash === null) throw new PlatformError("NOT_FOUND", `there is no shared link ${link}`);
    ended.announce(hash);
  }

  return {
    async issueTicket(actor, { reference, port }, session) {
      const act = { action: "preview.opened", detail: { port } } as const;
      const environment = await audit.attempt(actor, { ...act, target: reference }, () =>
        locate(actor, reference, "preview.open"),
      );
      const secret = random.id(SECRET_LENGTH);
      const expiresAt = at(clock.now() + TICKET_LIFETIME_MS);
      const [oldest] = tickets.keys();
      if (tickets.size >= MAX_TICKETS && oldest !== undefined) tickets.delete(oldest);
      tickets.set(sha256(secret), { environment, port, expiresAt, session: session.hash });
      await audit.note(actor, { ...act, environment });
      return { secret, environment, port, expiresAt };
    },

    async redeem(text, target) {
      if (text.length !== SECRET_LENGTH) return null;
      const hash = sha256(text);
      const ticket = tickets.get(hash);
      // Spent also by who takes it to another place.
      tickets.delete(hash);
      if (ticket === undefined || ticket.expiresAt <= now() || !isOf(ticket, target)) return null;
      const session = await storage.credentials.find(ticket.session, now());
      if (session === null) return null;
      const secret = random.id(SECRET_LENGTH);
      const expiresAt = earlier(at(clock.now() + GRANT_LIFETIME_MS), session.expiresAt);
      const grant: PreviewGrant = {
        environment: target.environment,
        port: target.port,
        hash: sha256(secret),
        id: random.id(12),
        kind: "session",
        credential: session.hash,
        createdAt: now(),
        expiresAt,
      };
      return (await storage.previews.insert(grant)) ? { secret, expiresAt } : null;
    },

    async admit(secrets, target) {
      for (const secret of secrets) {
        if (secret.length !== SECRET_LENGTH) continue;
        const grant = await storage.previews.find(sha256(secret), now());
        if (grant !== null && isOf(grant, target)) return grant;
      }
      return null;
    },

    share: (actor, reference, wish) =>
      audit.attempt(actor, { action: "preview-link.created", target: reference, detail: wish }, () =>
        share(actor, reference, wish),
      ),

    async links(actor, reference) {
      const environment = await locate(actor, reference, "preview.share");
      return (await storage.previews.links(environment, now())).map(toLink);
    },

    revoke: (actor, reference, link) =>
      audit.attempt(actor, { action: "preview-link.revoked", target: link }, () => revoke(actor, reference, link)),

    async closeAllOf(owner) {
      for (const hash of await storage.previews.hashesOf(owner)) ended.announce(hash);
    },

    subscribe: (listener) => ended.subscribe(listener),

    async recheck(hashes) {
      for (const hash of hashes) if ((await storage.previews.find(hash, now())) === null) ended.announce(hash);
    },

    dropTickets(environment) {
      for (const [hash, ticket] of tickets) if (ticket.environment === environment) tickets.delete(hash);
    },

    async sweep() {
      for (const [hash, ticket] of tickets) if (ticket.expiresAt <= now()) tickets.delete(hash);
      return storage.previews.removeExpired(now());
    },
  };
}

const toLink = ({ id, port, createdAt, expiresAt }: PreviewGrant): PreviewLink => ({ id, port, createdAt, expiresAt });
