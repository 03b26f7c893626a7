import { z } from "zod";
import { OwnerId } from "../ids.ts";

/** What an account may do: `visitor` sees what is shared with it and creates nothing, `member` has environments, `admin` has the instance. */
export const Role = z.enum(["admin", "member", "visitor"]);
export type Role = z.infer<typeof Role>;

/** What a token may do of what its account may. */
export const Scope = z.enum(["environments:read", "environments:write", "exec", "files", "admin"]);
export type Scope = z.infer<typeof Scope>;

/** The account that owns an environment is its owner: one id. */
export const AccountId = OwnerId;
export type AccountId = OwnerId;

export const AccountName = z
  .string()
  .regex(
    /^[a-z]([a-z0-9._-]{0,30}[a-z0-9])?$/,
    "a name has 1 to 32 lower-case letters, digits, dots, hyphens and underscores, starts with a letter and ends with a letter or digit",
  );

/** Of a password, in Unicode code points (NIST SP 800-63B, 3.1.1.2). */
export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 128;

/** One to be set. Whether it is too common is looked at by the server. */
export const NewPassword = z
  .string()
  .refine((text) => !/\p{Surrogate}/u.test(text), "must be well-formed Unicode")
  .refine(
    (text) => [...text].length >= MIN_PASSWORD && [...text].length <= MAX_PASSWORD,
    `a password has ${MIN_PASSWORD} to ${MAX_PASSWORD} characters`,
  );

/** One to be checked: whatever was typed, within bounds. */
export const TypedPassword = z.string().min(1).max(1024);

/** Who somebody is, as others see it. */
export const AccountSummary = z.strictObject({ id: AccountId, name: z.string(), role: Role });
export type AccountSummary = z.infer<typeof AccountSummary>;

/** `GET /v1/accounts`. */
export const Account = z.strictObject({
  ...AccountSummary.shape,
  /** Whether it can sign in with a password. */
  hasPassword: z.boolean(),
  /** Whether it can sign in at the instance's provider. */
  hasIdentity: z.boolean(),
  /** The account of the data folder, which stays an admin. */
  isDataFolder: z.boolean(),
  environments: z.number().int(),
  disabledAt: z.iso.datetime().nullable(),
  /** When the running environments of a disabled account are stopped; null once they are, and of one that is not disabled. */
  stopsAt: z.iso.datetime().nullable(),
  /** To the minute. */
  lastSeenAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export type Account = z.infer<typeof Account>;
export const AccountList = z.strictObject({ accounts: z.array(Account) });

/** `POST /v1/accounts`: an account without a password, whose link sets one. */
export const CreateAccount = z.strictObject({ name: AccountName, role: Role.default("member") });
export type CreateAccount = z.infer<typeof CreateAccount>;

/** `PATCH /v1/accounts/:account`; what is absent stays as it is. */
export const UpdateAccount = z.strictObject({
  role: Role.optional(),
  disabled: z.boolean().optional(),
  /** With `disabled`: how long its environments go on to run, up to 30 days; 24 hours when absent. */
  graceSeconds: z
    .number()
    .int()
    .min(0)
    .max(30 * 86_400)
    .optional(),
});
export type UpdateAccount = z.infer<typeof UpdateAccount>;
