import { z } from "zod";
import { AccountName, NewPassword, Role } from "./account.ts";
import { Code } from "./sign-in.ts";

/** An invitation is known by its id; its code stands in its link alone. */
export const InvitationId = z.string().regex(/^[a-z0-9]{12}$/, "must be an invitation's id");

/** `POST /v1/invitations`. */
export const CreateInvitation = z.strictObject({
  role: Role.default("member"),
  /** How many accounts can be made by it. */
  uses: z.number().int().min(1).max(1000).default(1),
  /** 5 minutes to 90 days. */
  expiresInSeconds: z
    .number()
    .int()
    .min(300)
    .max(90 * 86_400)
    .default(7 * 86_400),
});
export type CreateInvitation = z.infer<typeof CreateInvitation>;

export const Invitation = z.strictObject({
  id: InvitationId,
  role: Role,
  usesLeft: z.number().int(),
  /** The name of who made it; null: that account is gone. */
  createdBy: z.string().nullable(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type Invitation = z.infer<typeof Invitation>;
export const InvitationList = z.strictObject({ invitations: z.array(Invitation) });
/** With the code, which is shown this once. */
export const IssuedInvitation = z.strictObject({ ...Invitation.shape, code: z.string() });
export type IssuedInvitation = z.infer<typeof IssuedInvitation>;

/** `POST /v1/invitations/look`: uses nothing up. */
export const LookInvitation = z.strictObject({ code: Code });
export const InvitationTerms = z.strictObject({ role: Role, expiresAt: z.iso.datetime() });
export type InvitationTerms = z.infer<typeof InvitationTerms>;

/** `POST /v1/invitations/accept`. */
export const AcceptInvitation = z.strictObject({ code: Code, name: AccountName, password: NewPassword });
export type AcceptInvitation = z.infer<typeof AcceptInvitation>;
