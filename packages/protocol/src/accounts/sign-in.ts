import { z } from "zod";
import { AccountSummary, NewPassword, Scope, TypedPassword } from "./account.ts";

/** A secret as it comes from outside: of a link's fragment. */
export const Code = z.string().min(16).max(128);

/** `GET /v1/sign-in`: the ways in, besides links. */
export const SignInWays = z.strictObject({
  /** Whether there are accounts with passwords on this instance. */
  password: z.boolean(),
  /** The provider that people sign in at; null: there is none. */
  oidc: z.strictObject({ name: z.string() }).nullable(),
});
export type SignInWays = z.infer<typeof SignInWays>;

/** `POST /v1/session`, by a link's token or by password. A name that no account can have is no error of form. */
export const SignIn = z.union([
  z.strictObject({ token: Code }),
  z.strictObject({ name: z.string().min(1).max(128), password: TypedPassword }),
]);
export type SignIn = z.infer<typeof SignIn>;

/** `GET /v1/session`. */
export const Session = z.strictObject({
  account: AccountSummary,
  /** By what the request came in. */
  via: z.enum(["session", "token", "data-folder"]),
  /** What the token was made for; null: it is none, and all that the account may do may be done. */
  scopes: z.array(Scope).nullable(),
  version: z.string(),
});
export type Session = z.infer<typeof Session>;

/** The answer of whatever signs in: with half of the session's secret, which a page keeps where no other origin reads it. */
export const NewSession = z.strictObject({ account: AccountSummary, version: z.string(), key: z.string() });
export type NewSession = z.infer<typeof NewSession>;

/** Carries a session's key, beside its cookie: browsers send cookies to every port of a host. */
export const SESSION_KEY_HEADER = "x-microterm-session";
/** The same for a WebSocket, to which a page can add no header: a subprotocol that is offered and never chosen. */
export const SESSION_KEY_SUBPROTOCOL = "microterm.session.";

/** `POST /v1/links`; the data folder's own account when absent. */
export const CreateLink = z.strictObject({ account: z.string().min(1).max(64).optional() });
export const SignInLink = z.strictObject({
  account: AccountSummary,
  token: z.string(),
  expiresAt: z.iso.datetime(),
});
export type SignInLink = z.infer<typeof SignInLink>;

/** `PUT /v1/account/password`; `current` is left out where there is none yet. */
export const ChangePassword = z.strictObject({ current: TypedPassword.optional(), password: NewPassword });
export type ChangePassword = z.infer<typeof ChangePassword>;

/** `POST /v1/accounts`, and `/:account/reset`: a secret of a link by which a new password is set, once. */
export const ResetLink = z.strictObject({ account: AccountSummary, code: z.string(), expiresAt: z.iso.datetime() });
export type ResetLink = z.infer<typeof ResetLink>;

/** `POST /v1/resets/accept`. */
export const AcceptReset = z.strictObject({ code: Code, password: NewPassword });
export type AcceptReset = z.infer<typeof AcceptReset>;
