import { z } from "zod";
import { EnvironmentId, OwnerId } from "../ids.ts";
import { NetworkMode } from "../network.ts";
import { Role, Scope } from "./account.ts";

/** Longest text of a detail but a path, in UTF-16 units: longer ones are cut. */
export const MAX_AUDIT_TEXT = 256;
/** Longest path of a detail, and of all arguments of a program together. */
export const MAX_AUDIT_LONG_TEXT = 4096;

const text = z.string().max(MAX_AUDIT_TEXT);
const longText = z.string().max(MAX_AUDIT_LONG_TEXT);
const whole = z.number().int();
const port = z.strictObject({ port: whole.optional() });
const path = z.strictObject({ path: longText.optional() });
const role = z.strictObject({ role: Role.optional() });
const name = z.strictObject({ name: text.optional() });
const nothing = z.strictObject({});
const terminal = z.strictObject({ terminal: text.optional() });
const attached = z.strictObject({ terminal: text.optional(), role: z.enum(["owner", "viewer", "editor"]).optional() });
/** Who somebody is at the provider, and the id by which that is unlinked. */
const identity = z.strictObject({
  identity: text.optional(),
  issuer: text.optional(),
  subject: text.optional(),
  name: text.nullable().optional(),
});
/** `account`: the name of whom it lets in, where that is an account. */
const share = z.strictObject({
  terminal: text.optional(),
  role: z.enum(["viewer", "editor"]).optional(),
  account: text.optional(),
});

/**
 * Every act that the audit log knows, with what an entry may say of it besides who, where from, to which and with what outcome. Never
 * among it: environment variables, query strings, secrets, what a terminal shows or is typed into. Each is optional, as an act
 * that is refused may come to its end before it is known.
 */
export const AUDIT_DETAILS = {
  /** It goes on where it cannot be written, so that an admin can come in and repair that. Its `credential` is the session that began. */
  "sign-in": z.strictObject({ way: text.optional() }),
  /** `name`: of an account that is there. What was asked for otherwise is not kept: people type passwords into the wrong field. */
  "sign-in.failed": z.strictObject({ way: text.optional(), name: text.optional() }),
  "sign-out": nothing,
  /** A sign-in link, for the account that is the target; its use is `sign-in`. */
  "link.created": name,
  /** Without a target: all others of the account. */
  "session.revoked": nothing,
  "password.changed": nothing,
  "token.created": z.strictObject({
    name: text.optional(),
    scopes: z.array(Scope).optional(),
    expiresAt: text.nullable().optional(),
  }),
  "token.revoked": name,
  "account.created": z.strictObject({ name: text.optional(), role: Role.optional() }),
  "account.changed": role,
  "account.disabled": nothing,
  "account.enabled": nothing,
  "account.removed": name,
  /** Of the account that is the target: by itself, or by the server as it is made at a first sign-in. */
  "identity.linked": identity,
  "identity.unlinked": identity,
  /** A link was made that sets a new password; its use is `password.changed` and `sign-in`. */
  "account.reset": nothing,
  "invitation.created": z.strictObject({ role: Role.optional(), uses: whole.optional(), expiresAt: text.optional() }),
  "invitation.accepted": role,
  "invitation.revoked": nothing,
  "quota.changed": z.strictObject({ role: Role.optional(), limits: z.array(text).optional() }),
  "share.created": share,
  "share.accepted": share,
  "share.changed": share,
  /** By its owner: the share as a whole, or what one person was granted by it. */
  "share.revoked": share,
  /** By the one who was let in. */
  "share.left": share,
  "environment.created": z.strictObject({
    memoryMib: whole.optional(),
    cpus: whole.optional(),
    diskMib: whole.optional(),
    policy: NetworkMode.nullable().optional(),
  }),
  "environment.started": nothing,
  "environment.resumed": nothing,
  /** `reason`: why the server did it by itself. */
  "environment.paused": z.strictObject({ reason: text.optional() }),
  "environment.stopped": z.strictObject({ reason: text.optional() }),
  "environment.destroyed": z.strictObject({ reason: text.optional() }),
  /** Times in seconds, 0: never; the names of limits. */
  "environment.changed": z.strictObject({
    idleTimeoutSeconds: whole.optional(),
    ttlSeconds: whole.optional(),
    limits: z.array(text).optional(),
  }),
  "environment.transferred": z.strictObject({ from: OwnerId.optional(), to: OwnerId.optional() }),
  /** `rules`: how many an allowlist has then. */
  "policy.changed": z.strictObject({ policy: NetworkMode.optional(), rules: whole.optional() }),
  "network.created": name,
  "network.removed": name,
  "network.joined": name,
  "network.left": nothing,
  "terminal.opened": z.strictObject({ terminal: text.optional(), program: text.optional() }),
  "terminal.closed": terminal,
  /** The target: the grant by which one came to another's. Of those by one grant without an account there is one a minute. */
  "terminal.attached": attached,
  "terminal.look-in": terminal,
  /** `arguments`: besides the program's name. `argv`: where the instance keeps them. `end`: how it ended. */
  exec: z.strictObject({
    program: text.optional(),
    arguments: whole.optional(),
    argv: z.array(longText).optional(),
    end: text.optional(),
  }),
  "file.download": path,
  "file.upload": path,
  "file.remove": path,
  "recording.changed": terminal.extend({ enabled: z.boolean().optional() }),
  "recording.download": terminal,
  "recording.removed": terminal,
  /** Of tunnels to one port, by one session or token, there is one a minute. */
  "preview.opened": port,
  "preview-link.created": port.extend({ ttlSeconds: whole.optional() }),
  "preview-link.revoked": nothing,
  "audit.exported": nothing,
} as const satisfies Record<string, z.ZodObject>;

export type AuditDetails = { readonly [A in AuditAction]: z.infer<(typeof AUDIT_DETAILS)[A]> };

export type AuditAction = keyof typeof AUDIT_DETAILS;
export const AuditAction = z.enum(Object.keys(AUDIT_DETAILS) as AuditAction[]);

/** `begun`: it had not ended when this was written; its end is an entry of its own. `refused`: by a rule or a limit. `failed`: otherwise. */
export const AuditOutcome = z.enum(["begun", "done", "refused", "failed"]);
export type AuditOutcome = z.infer<typeof AuditOutcome>;

/** How somebody was signed in; `server`: nobody, the server acts by itself; `none`: not at all. */
export const AuditVia = z.enum(["session", "token", "data-folder", "server", "none"]);
export type AuditVia = z.infer<typeof AuditVia>;

/** 9 digits of base 36 of milliseconds since the epoch, 3 to tell those of one millisecond apart, and 6 random ones: they sort by time. */
export const AuditId = z
  .string()
  .regex(/^[0-9a-z]{18}$/, "must be an entry's id")
  .brand<"AuditId">();
export type AuditId = z.infer<typeof AuditId>;

/** One entry of the audit log. */
export const AuditEntry = z.strictObject({
  id: AuditId,
  at: z.iso.datetime(),
  action: AuditAction,
  outcome: AuditOutcome,
  /** Of the error, where it was refused or failed. */
  code: z.string().nullable(),
  /** Who did it; null: nobody, or nobody who is known. Names are those of that time; null: it was gone by then. */
  account: z.strictObject({ id: OwnerId, name: z.string().nullable() }).nullable(),
  via: AuditVia,
  /** The id of the session or token. */
  credential: z.string().nullable(),
  /** The client's IP address. */
  address: z.string().nullable(),
  environment: z.strictObject({ id: EnvironmentId, name: z.string().nullable() }).nullable(),
  /** The id of what else it was done to: an account, a share, a link; what was asked for, where that was not found. */
  target: z.string().nullable(),
  /** The entry of the same act's beginning. */
  beginning: AuditId.nullable(),
  /** How often, where an entry stands for several. */
  count: z.number().int().min(1),
  /** What belongs to the action, as `AUDIT_DETAILS` has it. For people: nothing else reads it. */
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())])),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

/** The newest first. */
export const AuditPage = z.strictObject({
  entries: z.array(AuditEntry),
  /** What the next page begins after; null: this is the last one. */
  cursor: AuditId.nullable(),
});
export type AuditPage = z.infer<typeof AuditPage>;

export const MAX_AUDIT_PAGE = 200;

/** Days that entries are kept. */
export const DEFAULT_AUDIT_DAYS = 90;
export const MAX_AUDIT_DAYS = 36_500;

/** Which entries: all of what is said. */
export const AuditFilter = z.strictObject({
  /** An account's id or name: who did it, or to whom it was done. */
  account: z.string().min(1).max(32).optional(),
  action: AuditAction.optional(),
  /** Its id, its name at that time, or what was asked for where that was refused. */
  environment: z.string().min(1).max(32).optional(),
  outcome: AuditOutcome.optional(),
  address: z.string().min(1).max(64).optional(),
  /** From this time on. */
  from: z.iso.datetime({ offset: true }).optional(),
  /** Before this time. */
  to: z.iso.datetime({ offset: true }).optional(),
});
export type AuditFilter = z.infer<typeof AuditFilter>;
