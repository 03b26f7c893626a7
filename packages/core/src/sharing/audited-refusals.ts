import { PlatformError } from "@microterm/protocol";
import type { Principal } from "../access/principal.ts";
import type { Act, AuditLog } from "../audit/audit-log.ts";
import type { SharingService } from "./sharing-service.ts";

/** The same service. What it refuses to an account is in the audit log; of browsers without one, codes that are none are counted there. */
export function withAuditedRefusals(audit: AuditLog, sharing: SharingService): SharingService {
  const attempt = <T>(principal: Principal, act: Act, run: () => Promise<T>): Promise<T> =>
    // Anybody may come as a browser, as often as they like.
    principal.kind === "account" ? audit.attempt(principal.actor, act, run) : run();

  async function guessed(error: unknown, address: string | null): Promise<never> {
    const isGuess = error instanceof PlatformError && error.code === "SHARE_ENDED";
    if (isGuess) await audit.signInFailed({ way: "share", address, account: null });
    throw error;
  }

  return {
    ...sharing,

    share(actor, target, terms) {
      // With whom is left out: what was asked for may be no account's name.
      const detail = { terminal: target.terminal, role: terms.role };
      return audit.attempt(actor, { action: "share.created", target: target.reference, detail }, () =>
        sharing.share(actor, target, terms),
      );
    },

    revoke: (actor, reference, share) =>
      audit.attempt(actor, { action: "share.revoked", target: share }, () => sharing.revoke(actor, reference, share)),

    setRole: (actor, grant, role) =>
      audit.attempt(actor, { action: "share.changed", target: grant.grant, detail: { role } }, () =>
        sharing.setRole(actor, grant, role),
      ),

    removeGrant: (actor, grant) =>
      audit.attempt(actor, { action: "share.revoked", target: grant.grant }, () => sharing.removeGrant(actor, grant)),

    lookIn: (actor, environment, terminal) =>
      audit.attempt(actor, { action: "terminal.look-in", target: environment, detail: { terminal } }, () =>
        sharing.lookIn(actor, environment, terminal),
      ),

    look: (code, address) => sharing.look(code, address).catch((error: unknown) => guessed(error, address)),

    accept(principal, code, name) {
      const accepted = attempt(principal, { action: "share.accepted" }, () => sharing.accept(principal, code, name));
      return principal.kind === "account"
        ? accepted
        : accepted.catch((error: unknown) => guessed(error, principal.address));
    },

    leave: (principal, grant) =>
      attempt(principal, { action: "share.left", target: grant }, () => sharing.leave(principal, grant)),
  };
}
