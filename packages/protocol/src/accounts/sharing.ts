import { z } from "zod";
import { TerminalId } from "../ids.ts";
import { AccountName } from "./account.ts";

/**
 * The header in which a browser without an account sends its key, with every request that rests on its cookie; on WebSockets, which have
 * no headers of their own, a subprotocol of this prefix and the key. As a session's.
 */
export const SHARE_KEY_HEADER = "x-microterm-share";
export const SHARE_KEY_SUBPROTOCOL = "microterm.share.";

/** What a person may do at a terminal that is shared with them: a `viewer` sees, an `editor` types. */
export const ShareRole = z.enum(["viewer", "editor"]);
export type ShareRole = z.infer<typeof ShareRole>;

/** What an instance allows people without an account at most, `off`: nothing. */
export const AnonymousLinks = z.enum(["off", ...ShareRole.options]);
export type AnonymousLinks = z.infer<typeof AnonymousLinks>;

const ShareId = z.string().regex(/^[a-z0-9]{12}$/);
export const GrantId = z.string().regex(/^[a-z0-9]{12}$/);

/** Of a link: what stands in the fragment of its address. */
export const ShareCode = z.string().regex(/^[a-z0-9]{48}$/, "is not the code of a shared link");

const MONTH_SECONDS = 30 * 24 * 3600;
const MAX_USES = 250;

/** Without anything that would act, hide or turn text around; what cannot be seen at all is no name. */
export const DisplayName = z
  .string()
  .max(200)
  .transform((name) => name.normalize("NFC").replace(/\s+/gu, " ").replace(/\p{C}/gu, "").trim())
  .refine((name) => /[\p{L}\p{N}]/u.test(name), "needs a letter or a digit")
  .refine((name) => name.length <= 40, "has 40 characters at most");

export const NewShare = z.strictObject({
  role: ShareRole.default("viewer"),
  /** The account that it is for; absent: a link, for anyone who has it. */
  account: AccountName.optional(),
  /** Until it ends by itself; a day when nothing is said. */
  ttlSeconds: z
    .number()
    .int()
    .min(60)
    .max(MONTH_SECONDS)
    .default(24 * 3600),
  /** How many people a link lets in. */
  uses: z.number().int().min(1).max(MAX_USES).default(10),
  /** Whether a link lets in people without an account. */
  withoutAccount: z.boolean().default(false),
  /** Whether they see the rows above the screen that were there before them. */
  scrollback: z.boolean().default(false),
});
export type NewShare = z.input<typeof NewShare>;
/** With what is meant where nothing is said. */
export type ShareTerms = z.output<typeof NewShare>;

/** One person who was let in, as the terminal's owner sees them. */
export const ShareGrant = z.strictObject({
  id: GrantId,
  /** Of the account; what a person without one calls themselves, null where they did not say. */
  name: z.string().nullable(),
  /** Whether it is an account's. */
  isVerified: z.boolean(),
  role: ShareRole,
  /** They ask to type, and may not. */
  isAsking: z.boolean(),
  createdAt: z.iso.datetime(),
});
export type ShareGrant = z.infer<typeof ShareGrant>;

/** `link`: for anyone who has it. `account`: for one account. `look-in`: an admin's, who looks at what is another's. */
export const ShareKind = z.enum(["link", "account", "look-in"]);
export type ShareKind = z.infer<typeof ShareKind>;

/** A terminal that is shared. A link's code is told once, when it is made. */
export const Share = z.strictObject({
  id: ShareId,
  kind: ShareKind,
  terminal: TerminalId,
  role: ShareRole,
  /** Of a link, how many more people it lets in. */
  usesLeft: z.number().int().nullable(),
  /** Of a link, whether it lets in more people without an account. */
  withoutAccount: z.boolean(),
  scrollback: z.boolean(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  grants: z.array(ShareGrant),
});
export type Share = z.infer<typeof Share>;

/** `path`: of a link, its address at the origin of the page, the code in the fragment. */
export const CreatedShare = z.strictObject({ ...Share.shape, path: z.string().nullable() });
export type CreatedShare = z.infer<typeof CreatedShare>;

export const LookAtShare = z.strictObject({ code: ShareCode });

/** What a link is, for who has it. */
export const SharePreview = z.strictObject({
  /** The name of the account that shares. */
  owner: z.string(),
  /** By its program's own account; empty where none is known. */
  title: z.string().max(256),
  role: ShareRole,
  /** Whether a person without an account is let in, and as what. */
  withoutAccount: AnonymousLinks,
  scrollback: z.boolean(),
  expiresAt: z.iso.datetime(),
});
export type SharePreview = z.infer<typeof SharePreview>;

export const AcceptShare = z.strictObject({
  code: ShareCode,
  /** What a person without an account wants to be called. */
  name: DisplayName.optional(),
});
export type AcceptShare = z.input<typeof AcceptShare>;

/** A terminal that is shared with the one who asks. */
export const SharedTerminal = z.strictObject({
  /** Of the grant: what to attach to. */
  id: GrantId,
  kind: ShareKind,
  owner: z.string(),
  role: ShareRole,
  isAsking: z.boolean(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type SharedTerminal = z.infer<typeof SharedTerminal>;

/** `key`: for a browser without an account that was given its cookie just now; it is sent beside it from then on. */
export const AcceptedShare = z.strictObject({ ...SharedTerminal.shape, key: z.string().nullable() });
export type AcceptedShare = z.infer<typeof AcceptedShare>;

export const ChangeGrant = z.strictObject({ role: ShareRole });
