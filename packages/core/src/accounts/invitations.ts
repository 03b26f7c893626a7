import {
  AccountId,
  type CreateInvitation,
  type Invitation,
  type IssuedInvitation,
  PlatformError,
} from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import { SECRET_LENGTH } from "../credentials/credential-service.ts";
import type { InvitationRow } from "../ports/repositories/account-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { AccountService } from "./account-service.ts";
import { assertUncommon } from "./password-rules.ts";

/** Of an instance. */
const MAX_INVITATIONS = 1000;

export function createInvitations(
  context: AccountContext,
): Pick<AccountService, "invite" | "invitations" | "withdraw" | "look" | "accept"> {
  const { storage, audit, credentials, passwords, random, sha256 } = context;
  const invalid = () =>
    new PlatformError("INVITATION_INVALID", "this invitation was used up, has expired, or never was");

  async function invite(actor: Actor, wish: CreateInvitation): Promise<IssuedInvitation> {
    const { role, uses, expiresInSeconds } = wish;
    assertAllowed(actor, "accounts.change", actor);
    context.assertLocalAccounts();
    const code = random.id(SECRET_LENGTH);
    const row: InvitationRow = {
      ...{ hash: sha256(code), id: random.id(12), role, usesLeft: uses },
      ...{ createdBy: actor.owner, createdAt: context.now(), expiresAt: context.after(expiresInSeconds * 1000) },
    };
    const detail = { role, uses, expiresAt: row.expiresAt };
    await audit.change(actor, { action: "invitation.created", target: row.id, detail }, (to) =>
      to.invitations.insert(row, MAX_INVITATIONS, row.createdAt),
    );
    const creator = await storage.accounts.get(actor.owner);
    return { ...toInvitation({ ...row, createdByName: creator?.name ?? null }), code };
  }

  return {
    invite: (actor, wish) =>
      audit.attempt(actor, { action: "invitation.created", detail: { role: wish.role, uses: wish.uses } }, () =>
        invite(actor, wish),
      ),

    async invitations(actor) {
      assertAllowed(actor, "accounts.read", actor);
      return (await storage.invitations.list(context.now())).map(toInvitation);
    },

    async withdraw(actor, invitation) {
      const act = { action: "invitation.revoked", target: invitation } as const;
      await audit.attempt(actor, act, async () => {
        assertAllowed(actor, "accounts.change", actor);
        if (await audit.change(actor, act, (to) => to.invitations.remove(invitation))) return;
        throw new PlatformError("NOT_FOUND", `there is no invitation ${invitation}`);
      });
    },

    async look(code, { address }) {
      context.assertLocalAccounts();
      const found = await storage.invitations.find(sha256(code), context.now());
      if (found === null) throw await context.wrongCode("invitation", address, invalid());
      return { role: found.role, expiresAt: found.expiresAt };
    },

    async accept({ code, name, password }, arrival) {
      context.assertLocalAccounts();
      const hash = sha256(code);
      // Looked at first: who has no invitation does not have passwords hashed.
      const found = await storage.invitations.find(hash, context.now());
      if (found === null) throw await context.wrongCode("invitation", arrival.address, invalid());
      assertUncommon(password, name);
      const wish = {
        ...{ id: AccountId.parse(random.id(12)), name, passwordHash: await passwords.hash(password) },
        ...{ disabledAt: null, stopsAt: null, lastSeenAt: context.now(), createdAt: context.now() },
      };
      const { role } = found;
      const prepared = credentials.prepareSession({ id: wish.id, role }, arrival);
      const act = { action: "invitation.accepted", target: found.id, detail: { role } } as const;
      const account = await audit.change(prepared.actor, act, (to) => to.invitations.accept(hash, wish, context.now()));
      if (account === null) throw invalid();
      return context.enter(prepared, account, { way: "invitation", arrival });
    },
  };
}

function toInvitation(row: InvitationRow & { readonly createdByName: string | null }): Invitation {
  const { id, role, usesLeft, createdByName, createdAt, expiresAt } = row;
  return { id, role, usesLeft, createdBy: createdByName, createdAt, expiresAt };
}
