import { z } from "zod";
import type { ErrorCode } from "../errors.ts";

/** By which one's link to the provider is named. */
export const IdentityId = z.string().regex(/^[a-z0-9]{12}$/, "must be an identity's id");

/** `GET /v1/account/identities`: who one is at the provider. */
export const AccountIdentity = z.strictObject({
  id: IdentityId,
  issuer: z.string(),
  subject: z.string(),
  /** As the provider calls it. */
  name: z.string().nullable(),
  createdAt: z.iso.datetime(),
  /** The last sign-in with it. */
  lastUsedAt: z.iso.datetime().nullable(),
});
export type AccountIdentity = z.infer<typeof AccountIdentity>;
export const AccountIdentityList = z.strictObject({ identities: z.array(AccountIdentity) });

/** `POST /v1/account/identities`: where the browser goes to link one. */
export const IdentityLink = z.strictObject({ url: z.url() });

/** What came of it: as `identity` in the query of the account's page, to which the browser is led back. */
export type IdentityLinkOutcome = "linked" | "linked-before" | ErrorCode;
