import {
  AcceptedShare,
  CreatedShare,
  type NewShare,
  Share,
  SharedTerminal,
  ShareGrant,
  SharePreview,
  type ShareRole,
} from "@microterm/protocol";
import { z } from "zod";
import { environmentPath } from "../environments.ts";
import type { Transport } from "../transport.ts";

const Shares = z.strictObject({ shares: z.array(Share) });
const SharedTerminals = z.strictObject({ terminals: z.array(SharedTerminal) });

/** Terminals that are shared: by one's own account, and with it. */
export interface Sharing {
  /** With an account, or by a link, whose address is `path` at the page's origin and is told this once. */
  share(environment: string, terminal: string, wish: NewShare): Promise<CreatedShare>;
  list(environment: string): Promise<Share[]>;
  /** Ends it with all that it let in. */
  revoke(environment: string, share: string): Promise<void>;
  /** Gives the keyboard to one person, or takes it back. */
  setRole(environment: string, grant: string, role: ShareRole): Promise<ShareGrant>;
  removeGrant(environment: string, grant: string): Promise<void>;
  /** What a link is; nothing is spent. @throws RequestError SHARE_ENDED */
  look(code: string): Promise<SharePreview>;
  /** A grant for the account that is signed in, else for this browser: then `key` is to be kept, and sent from then on. */
  accept(code: string, name?: string): Promise<AcceptedShare>;
  /** What is shared with the one who asks. */
  shared(): Promise<SharedTerminal[]>;
  leave(grant: string): Promise<void>;
  /** Lets an admin see another's terminal for an hour, which its owner is shown. */
  lookIn(environment: string, terminal: string): Promise<SharedTerminal>;
}

export function createSharing(transport: Transport): Sharing {
  const segment = encodeURIComponent;
  const grantOf = (environment: string, grant: string) => `${environmentPath(environment)}/grants/${segment(grant)}`;
  return {
    share: (environment, terminal, json) =>
      transport.json(CreatedShare, `${environmentPath(environment)}/terminals/${segment(terminal)}/shares`, {
        method: "POST",
        json,
      }),
    list: async (environment) => (await transport.json(Shares, `${environmentPath(environment)}/shares`)).shares,
    revoke: (environment, share) =>
      transport.done(`${environmentPath(environment)}/shares/${segment(share)}`, { method: "DELETE" }),
    setRole: (environment, grant, role) =>
      transport.json(ShareGrant, grantOf(environment, grant), { method: "PATCH", json: { role } }),
    removeGrant: (environment, grant) => transport.done(grantOf(environment, grant), { method: "DELETE" }),
    look: (code) => transport.json(SharePreview, "/v1/shares/look", { method: "POST", json: { code } }),
    accept: (code, name) =>
      transport.json(AcceptedShare, "/v1/shares/accept", { method: "POST", json: { code, name } }),
    shared: async () => (await transport.json(SharedTerminals, "/v1/shared")).terminals,
    leave: (grant) => transport.done(`/v1/shared/${segment(grant)}`, { method: "DELETE" }),
    lookIn: (environment, terminal) =>
      transport.json(
        SharedTerminal,
        `/v1/admin/environments/${segment(environment)}/terminals/${segment(terminal)}/look-in`,
        { method: "POST" },
      ),
  };
}
