import { z } from "zod";
import { Scope } from "./account.ts";

/** By which a session or token is named; its secret is not. */
export const CredentialId = z.string().regex(/^[a-z0-9]{12}$/, "must be the id of a session or token");

/** `GET /v1/account/sessions`. */
export const AccountSession = z.strictObject({
  id: CredentialId,
  /** Browser and system, as the browser says; null: it did not. */
  device: z.string().nullable(),
  /** The IP address that it was opened from; null: not known. */
  address: z.string().nullable(),
  createdAt: z.iso.datetime(),
  /** To the minute; null: not since it was opened. */
  lastUsedAt: z.iso.datetime().nullable(),
  expiresAt: z.iso.datetime(),
  /** The one that asks. */
  isCurrent: z.boolean(),
});
export type AccountSession = z.infer<typeof AccountSession>;
export const AccountSessionList = z.strictObject({ sessions: z.array(AccountSession) });

/** One line that people can tell from others: no control and no format characters, which could reorder it. */
export const TokenName = z
  .string()
  .trim()
  .min(1)
  .max(64)
  // Not as a pattern: JSON Schema's readers differ in what they know of Unicode.
  .refine((text) => !/[\p{C}\p{Zl}\p{Zp}]/u.test(text), "must be one line without control characters");

/** A token starts with this, so that anyone who finds one knows what it is. */
export const TOKEN_PREFIX = "mt_";
const DAY_SECONDS = 86_400;
export const DEFAULT_TOKEN_SECONDS = 90 * DAY_SECONDS;

/** `POST /v1/account/tokens`. */
export const CreateToken = z.strictObject({
  name: TokenName,
  scopes: z.array(Scope).min(1).max(Scope.options.length),
  /** Up to 10 years; null: it does not expire. */
  expiresInSeconds: z
    .number()
    .int()
    .min(60)
    .max(3650 * DAY_SECONDS)
    .nullable()
    .default(DEFAULT_TOKEN_SECONDS),
});
export type CreateToken = z.infer<typeof CreateToken>;

export const AccountToken = z.strictObject({
  id: CredentialId,
  name: z.string(),
  /** Null: one of an earlier version, with all of them. */
  scopes: z.array(Scope).nullable(),
  createdAt: z.iso.datetime(),
  /** To the minute. */
  lastUsedAt: z.iso.datetime().nullable(),
  /** The IP address that it was last used from. */
  address: z.string().nullable(),
  expiresAt: z.iso.datetime().nullable(),
});
export type AccountToken = z.infer<typeof AccountToken>;
export const AccountTokenList = z.strictObject({ tokens: z.array(AccountToken) });
/** With the secret, which is shown this once. */
export const IssuedToken = z.strictObject({ ...AccountToken.shape, token: z.string() });
export type IssuedToken = z.infer<typeof IssuedToken>;
