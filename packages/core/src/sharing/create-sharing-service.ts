import {
  type AccountId,
  type EnvironmentId,
  PlatformError,
  type SharePreview,
  type ShareRole,
} from "@microterm/protocol";
import { type Actor, SYSTEM } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import { anonymousRoleOf, type Principal, sharedRoleOf } from "../access/principal.ts";
import { type Act, byOf } from "../audit/audit-log.ts";
import { SECRET_LENGTH } from "../credentials/credential-service.ts";
import { createAnnouncements } from "../fleet/announcements.ts";
import type { Grant, ShareRow } from "../ports/repositories/share-repository.ts";
import { withAuditedRefusals } from "./audited-refusals.ts";
import type { Admission, SharingService, SharingServiceOptions } from "./sharing-service.ts";
import { toGrant, toShare, toSharedTerminal } from "./view.ts";

/** Of one environment. */
const MAX_SHARES = 32;
const LOOK_IN_LIFETIME_MS = 3_600_000;

export function createSharingService(options: SharingServiceOptions): SharingService {
  const { audit, locate, requireTerminal, titleOf, anonymousLinks, clock, random, sha256 } = options;
  const { accounts, environments, shares } = options.storage;
  const grantsChanged = createAnnouncements(options.storage.fleet, "grant");
  const at = (ms: number): string => new Date(ms).toISOString();
  const now = (): string => at(clock.now());
  const changed = (...grants: readonly string[]): void => {
    for (const grant of grants) grantsChanged.announce(grant);
  };
  const noGrant = (id: string): PlatformError => new PlatformError("NOT_FOUND", `there is no grant ${id}`);
  const ended = (): PlatformError =>
    new PlatformError("SHARE_ENDED", "this link has ended, is used up, or never was one");

  async function require(environment: EnvironmentId, grant: string): Promise<Grant> {
    const found = await shares.grant(grant, now());
    if (found?.environment !== environment) throw noGrant(grant);
    return found;
  }

  /** A share and what an account is granted by it at once. */
  async function insert(
    actor: Actor,
    share: Omit<ShareRow, "id" | "createdAt" | "createdBy">,
    grantee: { readonly id: AccountId; readonly name: string | null } | null,
  ): Promise<ShareRow & { readonly grant: string | null }> {
    const row: ShareRow = { ...share, id: random.id(12), createdBy: actor.owner, createdAt: now() };
    const { id, role, createdAt } = row;
    const granted = { share: id, browser: null, name: null, granted: role, asked: role, createdAt };
    const grant = grantee === null ? null : { ...granted, id: random.id(12), account: grantee.id };
    const act = madeAct(row, grantee);
    const isMade = await audit.change(actor, act, async (to) => {
      const isInserted = await to.shares.insert(row, { most: MAX_SHARES, grant });
      if (isInserted && row.kind === "look-in") {
        const { environment } = row;
        await to.adminActs.lookedIn({ id: random.id(12), at: createdAt, admin: actor.owner, environment });
      }
      return isInserted;
    });
    if (!isMade) {
      throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed, or given away, meanwhile");
    }
    return { ...row, grant: grant?.id ?? null };
  }

  function assertAnonymous(role: "viewer" | "editor"): void {
    const most = anonymousRoleOf({ role, withoutAccount: true }, anonymousLinks);
    if (most === role) return;
    const what = most === "off" ? "lets nobody in without an account" : "lets nobody type without an account";
    throw new PlatformError("FORBIDDEN", `this server ${what}: its --anonymous-links is ${anonymousLinks}`);
  }

  async function admit(principal: Principal, id: string): Promise<Admission> {
    assertMayLook(principal);
    const grant = await shares.grant(id, now());
    const role = grant === null ? null : sharedRoleOf(principal, grant, anonymousLinks);
    if (grant === null || role === null) throw noGrant(id);
    return { ...grant, role };
  }

  const service: SharingService = {
    async share(actor, { reference, terminal }, { role, account, ttlSeconds, uses, withoutAccount, scrollback }) {
      const environment = await locate(actor, reference, "terminal.share");
      const isLink = account === undefined;
      if (!isLink && withoutAccount) throw new PlatformError("BAD_REQUEST", "'withoutAccount' is of links alone");
      if (withoutAccount) assertAnonymous(role);
      await requireTerminal(environment, terminal);
      const grantee = isLink ? null : await accounts.find(account);
      if (!isLink && (grantee === null || grantee.disabledAt !== null)) {
        throw new PlatformError("NOT_FOUND", `there is no account '${account}'`);
      }
      if (grantee?.id === actor.owner) throw new PlatformError("BAD_REQUEST", "the terminal is your own");
      const code = isLink ? random.id(SECRET_LENGTH) : null;
      const share = await insert(
        actor,
        {
          ...{ kind: isLink ? "link" : "account", codeHash: code === null ? null : sha256(code) },
          ...{ environment, terminal, role, withoutAccount, scrollback },
          ...{ expiresAt: at(clock.now() + ttlSeconds * 1000), usesLeft: isLink ? uses : null },
          anonymousEndedAt: null,
        },
        grantee,
      );
      const grants = share.grant === null ? [] : [await require(environment, share.grant)];
      return { ...toShare(share, grants), path: code === null ? null : `/shared#${code}` };
    },

    async shares(actor, reference) {
      const environment = await locate(actor, reference, "terminal.share");
      const all = await shares.ofEnvironment(environment, now());
      return all.shares.map((share) =>
        toShare(
          share,
          all.grants.filter((grant) => grant.share === share.id),
        ),
      );
    },

    async revoke(actor, reference, share) {
      const environment = await locate(actor, reference, "terminal.share");
      const gone = await audit.change(actor, { action: "share.revoked", environment, target: share }, (to) =>
        to.shares.remove(environment, share),
      );
      if (gone === null) throw new PlatformError("NOT_FOUND", `there is no share ${share}`);
      changed(...gone);
    },

    async setRole(actor, { reference, grant: id }, role) {
      const environment = await locate(actor, reference, "terminal.share");
      const grant = await require(environment, id);
      if (role === "editor" && grant.kind === "look-in") {
        throw new PlatformError("FORBIDDEN", "an admin who looks in does not type");
      }
      if (role === "editor" && grant.browser !== null) assertAnonymous("editor");
      // The keyboard that is taken back here, the same person could have again as another one without an account.
      const { withoutAccount } = grant;
      const anonymous = anonymousRoleOf({ role: "editor", withoutAccount }, anonymousLinks);
      // What was asked for is answered.
      const act = { action: "share.changed", ...grantFacts({ ...grant, role }) } as const;
      const isChanged = await audit.change(actor, act, async (to) => {
        if (role === "viewer" && anonymous === "editor") await to.shares.lowerRole(grant.share);
        return to.shares.setRole(id, { granted: role, asked: role });
      });
      if (!isChanged) throw noGrant(id);
      changed(id);
      return toGrant({ ...grant, granted: role, asked: role });
    },

    async removeGrant(actor, { reference, grant: id }) {
      const environment = await locate(actor, reference, "terminal.share");
      const grant = await require(environment, id);
      const act = { action: "share.revoked", ...grantFacts({ ...grant, role: grant.granted }) } as const;
      if (!(await audit.change(actor, act, (to) => to.shares.removeGrant(id, now())))) throw noGrant(id);
      changed(id);
    },

    async lookIn(actor, environment, terminal) {
      // Its role first: who is no admin gets one answer for every id.
      assertAllowed(actor, "terminal.look-in", actor);
      const row = await environments.get(environment, SYSTEM);
      if (row === null) throw new PlatformError("ENVIRONMENT_NOT_FOUND", "there is no such environment");
      await requireTerminal(environment, terminal);
      const { grant } = await insert(
        actor,
        {
          ...({ kind: "look-in", codeHash: null, role: "viewer", usesLeft: null } as const),
          ...{ environment, terminal, withoutAccount: false, anonymousEndedAt: null, scrollback: false },
          expiresAt: at(clock.now() + LOOK_IN_LIFETIME_MS),
        },
        { id: actor.owner, name: null },
      );
      return toSharedTerminal(await admit({ kind: "account", actor }, grant ?? ""));
    },

    async look(code): Promise<SharePreview> {
      const share = await shares.find(sha256(code), now());
      if (share === null) throw ended();
      const { ownerName: owner, role, scrollback, expiresAt } = share;
      const title = await titleOf(share.environment, share.terminal);
      return { owner, title, role, withoutAccount: anonymousRoleOf(share, anonymousLinks), scrollback, expiresAt };
    },

    async accept(principal, code, name) {
      const hash = sha256(code);
      const share = await shares.find(hash, now());
      if (share === null) throw ended();
      if (principal.kind === "account") {
        if (share.createdBy === principal.actor.owner)
          throw new PlatformError("BAD_REQUEST", "the terminal is your own");
        assertMayLook(principal);
      } else if (anonymousRoleOf(share, anonymousLinks) === "off") {
        throw new PlatformError("UNAUTHENTICATED", "this link is for people with an account: sign in first");
      }
      const whose =
        principal.kind === "account"
          ? { account: principal.actor.owner, browser: null, name: null }
          : { account: null, browser: principal.hash, name: name ?? null };
      const made = { ...whose, id: random.id(12), createdAt: now() };
      const { environment, terminal, role } = share;
      const act = { action: "share.accepted", environment, target: made.id, detail: { terminal, role } } as const;
      let known: Grant | null = null;
      const accepted = await audit.change(byOf(principal), act, async (to) => {
        const found = await to.shares.accept(hash, made, now());
        if (found === null || found.id === made.id) return found;
        known = found;
        return null;
      });
      const grant = accepted ?? known;
      if (grant === null) throw ended();
      return toSharedTerminal(await admit(principal, grant.id));
    },

    async shared(principal) {
      assertMayLook(principal);
      const whose =
        principal.kind === "account"
          ? { account: principal.actor.owner, browser: null }
          : { account: null, browser: principal.hash };
      return (await shares.grantsOf(whose, now())).flatMap((grant) => {
        const role = sharedRoleOf(principal, grant, anonymousLinks);
        return role === null ? [] : [toSharedTerminal({ ...grant, role })];
      });
    },

    async leave(principal, id) {
      const act = { action: "share.left", ...grantFacts(await admit(principal, id)) } as const;
      if (!(await audit.change(byOf(principal), act, (to) => to.shares.leave(id, now())))) throw noGrant(id);
      changed(id);
    },

    admit,

    async ask(principal, id, isWanted) {
      const grant = await admit(principal, id);
      const asked = isWanted ? "editor" : "viewer";
      if (grant.kind === "look-in" || grant.asked === asked) return;
      // A share for editors grants the keyboard on request.
      await shares.setRole(id, { asked });
      changed(id);
    },

    async endOf(whose) {
      changed(...(await shares.removeOf(whose, now())));
    },

    subscribe: (listener) => grantsChanged.subscribe(listener),

    sweep: () => shares.removeEnded(now()),
  };
  return withAuditedRefusals(audit, service);
}

const grantFacts = ({ id, environment, terminal, role, accountName }: Grant & { readonly role: ShareRole }) => ({
  environment,
  target: id,
  detail: { terminal, role, ...(accountName === null ? {} : { account: accountName }) },
});

function madeAct(
  { kind, id, environment, terminal, role }: ShareRow,
  grantee: { readonly name: string | null } | null,
): Act {
  if (kind === "look-in") return { action: "terminal.look-in", environment, target: id, detail: { terminal } };
  const detail = { terminal, role, ...(grantee?.name == null ? {} : { account: grantee.name }) };
  return { action: "share.created", environment, target: id, detail };
}

/** Of a token: whether it was made for that. */
function assertMayLook(principal: Principal): void {
  if (principal.kind === "account") assertAllowed(principal.actor, "share.view", principal.actor);
}
