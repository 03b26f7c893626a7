import { z } from "zod";
import { type QuotaName, QuotaShortage } from "./accounts/quota.ts";
import { EnvironmentState, RemovalCause } from "./environment.ts";

/** Every error a client can meet. Rendered to docs/reference/errors.md; a test keeps both equal. */
export const ERRORS = {
  BAD_REQUEST: { status: 400, retryable: false, hint: "Correct the named fields; /openapi.json has the schemas." },
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    hint: "Sign in with the link that './microterm open' prints, or set MICROTERM_TOKEN.",
  },
  SIGN_IN_LINK_INVALID: {
    status: 401,
    retryable: false,
    hint: "Links work once and for 10 minutes: run './microterm open' for a new one.",
  },
  SIGN_IN_FAILED: {
    status: 401,
    retryable: false,
    hint: "Check both; an admin makes a new password possible with './microterm user reset NAME'.",
  },
  INVITATION_INVALID: { status: 404, retryable: false, hint: "Ask who sent the link for another one." },
  RESET_INVALID: {
    status: 404,
    retryable: false,
    hint: "Links work once and for 24 hours: ask an admin for another one.",
  },
  FORBIDDEN: {
    status: 403,
    retryable: false,
    hint: "An admin can give another role or start the server with other options; a token does what its scopes say.",
  },
  LOCAL_ACCOUNTS_OFF: { status: 403, retryable: false, hint: "Sign in at the provider that this instance names." },
  PROVIDER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "Try again in a moment. An admin finds the reason in the server's log.",
  },
  PROVIDER_SIGN_IN_FAILED: { status: 401, retryable: false, hint: "Begin again on the sign-in page." },
  PROVIDER_SIGN_IN_CANCELLED: { status: 401, retryable: false, hint: "Nothing was changed. Begin again if you like." },
  PROVIDER_ACCOUNT_REFUSED: { status: 403, retryable: false, hint: "Ask an admin of this instance to let you in." },
  IDENTITY_TAKEN: {
    status: 409,
    retryable: false,
    hint: "Sign in with that account and unlink it there, or use another account at the provider.",
  },
  LAST_WAY_IN: {
    status: 409,
    retryable: false,
    hint: "Set a password first, where this instance has them, or link another identity.",
  },
  FORBIDDEN_ORIGIN: {
    status: 403,
    retryable: false,
    hint: "Open the page under the address that 'microterm up' printed.",
  },
  FORBIDDEN_HOST: {
    status: 421,
    retryable: false,
    hint: "Use the address that 'microterm up' printed, or allow this one with --allow-host.",
  },
  ENVIRONMENT_NOT_FOUND: { status: 404, retryable: false, hint: "It may have been removed; list environments." },
  NETWORK_NOT_FOUND: { status: 404, retryable: false, hint: "'microterm network ls' lists the networks there are." },
  NETWORK_IN_USE: {
    status: 409,
    retryable: false,
    hint: "Have its members leave it first: 'microterm network leave NAME'.",
  },
  ACCOUNT_NOT_FOUND: { status: 404, retryable: false, hint: "'microterm user ls' lists the accounts there are." },
  ACCOUNT_IN_USE: {
    status: 409,
    retryable: false,
    hint: "Give its environments to another account, 'microterm user rm NAME --transfer-to OTHER', or have them destroyed with it, 'microterm user rm --destroy NAME'.",
  },
  LAST_ADMIN: {
    status: 409,
    retryable: false,
    hint: "The data folder's account stays an admin; an instance has one at least.",
  },
  TERMINAL_NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "It may have been closed; list the environment's terminals.",
  },
  SHARE_ENDED: {
    status: 404,
    retryable: false,
    hint: "Links end by their time, their uses, or their owner: ask for another one.",
  },
  NOT_FOUND: {
    status: 404,
    retryable: false,
    hint: "Check the name or id; /openapi.json has the addresses there are.",
  },
  FILE_NOT_FOUND: { status: 404, retryable: false, hint: "Check the path inside the environment." },
  FILE_NOT_REGULAR: { status: 409, retryable: false, hint: "Use a tar download for folders." },
  FILE_FORBIDDEN: { status: 403, retryable: false, hint: "Files are read and written as the user 'dev'." },
  GUEST_DISK_FULL: {
    status: 507,
    retryable: false,
    hint: "Free space inside the environment, or create one with a larger disk.",
  },
  NAME_TAKEN: { status: 409, retryable: false, hint: "Choose another name, or remove what has it." },
  ENVIRONMENT_STATE: {
    status: 409,
    retryable: false,
    hint: "Look at its state first; 'start' brings back a stopped one, 'resume' a paused one.",
  },
  IDEMPOTENCY_MISMATCH: { status: 422, retryable: false, hint: "Use a new Idempotency-Key for a different request." },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    retryable: false,
    hint: "JSON bodies are limited to 64 KiB, that of exec to 16 MiB; use the files calls for data.",
  },
  UNSUPPORTED: {
    status: 409,
    retryable: false,
    hint: "Its driver cannot do that, or not before it is stopped and started again.",
  },
  SNAPSHOT_FAILED: {
    status: 500,
    retryable: true,
    hint: "The environment goes on as it was. Try again, or stop it instead: its disk is kept.",
  },
  SNAPSHOT_CORRUPT: {
    status: 409,
    retryable: false,
    hint: "Its memory cannot be brought back; 'start' boots it again with its disk.",
  },
  UPGRADE_REQUIRED: {
    status: 426,
    retryable: false,
    hint: "This address is a WebSocket; offer the subprotocol that docs/reference names.",
  },
  TOO_MANY: { status: 429, retryable: true, hint: "Close some first, or wait a little." },
  QUOTA_EXCEEDED: {
    status: 403,
    retryable: false,
    hint: "'microterm quota' shows what is left; an admin can give more.",
  },
  HOST_OUT_OF_MEMORY: { status: 503, retryable: true, hint: "Stop an environment, or ask for less memory." },
  HOST_OUT_OF_CPUS: {
    status: 503,
    retryable: true,
    hint: "Stop an environment, ask for fewer CPUs, or have more promised: './microterm up --overcommit cpu=N'.",
  },
  HOST_OUT_OF_DISK: {
    status: 507,
    retryable: true,
    hint: "Remove an environment, ask for a smaller disk, or free space on the host; './microterm doctor' shows where.",
  },
  ENVIRONMENT_MOVED: {
    status: 503,
    retryable: true,
    hint: "Try again in a moment: nothing of it was done yet.",
  },
  SERVER_LOST: {
    status: 503,
    retryable: true,
    hint: "Look whether it was done, and try again in a moment: another server takes the environment over.",
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "Try again in a moment: the server goes on by itself once its database answers. './microterm doctor' says more.",
  },
  HOST_DAEMON_UNAVAILABLE: {
    status: 503,
    retryable: true,
    hint: "Run './microterm up' to start microterm-host again.",
  },
  MACHINE_BOOT_FAILED: {
    status: 500,
    retryable: true,
    hint: "Look at 'microterm logs NAME'; './microterm doctor' checks the host.",
  },
  GUEST_UNREACHABLE: {
    status: 504,
    retryable: true,
    hint: "The guest did not answer in time; stop and start it if this goes on.",
  },
  GUEST_PROTOCOL: {
    status: 502,
    retryable: false,
    hint: "The guest's agent sent something invalid; stop and start the environment.",
  },
  PORT_REFUSED: {
    status: 502,
    retryable: true,
    hint: "Start a program in the environment that listens on this port of 127.0.0.1, ::1 or any address.",
  },
  PREVIEW_ANSWER: {
    status: 502,
    retryable: false,
    hint: "A program that does not speak HTTP is reached with './microterm port-forward NAME PORT'.",
  },
  PREVIEWS_OFF: {
    status: 409,
    retryable: false,
    hint: "'./microterm port-forward NAME PORT' reaches it; docs/operations.md says what previews need.",
  },
  WAIT_TIMEOUT: { status: 408, retryable: true, hint: "The state was not reached in time; wait again." },
  INTERNAL: {
    status: 500,
    retryable: false,
    hint: "A fault of microterm's own; the server's log has the details under the request's id.",
  },
} as const satisfies Record<string, ErrorSpec>;

interface ErrorSpec {
  readonly status: number;
  readonly retryable: boolean;
  readonly hint: string;
}

export type ErrorCode = keyof typeof ERRORS;

/** What an error says besides its message, for programs: whatever one acts by stands here or in the code. */
export const ErrorDetails = z
  .object({
    /** BAD_REQUEST: what is wrong, field by field. */
    fields: z.array(z.strictObject({ field: z.string(), message: z.string() })),
    /** BAD_REQUEST of an attach past the end: what there is, as decimal strings. */
    start: z.string(),
    end: z.string(),
    /** NAME_TAKEN, ENVIRONMENT_STATE: of the environment. */
    name: z.string(),
    /** ENVIRONMENT_STATE: the state it is in. */
    state: EnvironmentState,
    /** ENVIRONMENT_NOT_FOUND: when and why it was removed, for 7 days. */
    removal: z.strictObject({ name: z.string(), at: z.iso.datetime(), cause: RemovalCause }),
    /** ENVIRONMENT_STATE: the file that another process holds. */
    path: z.string(),
    /** QUOTA_EXCEEDED: which one, and the figures. */
    quota: QuotaShortage,
    /** HOST_OUT_OF_MEMORY, HOST_OUT_OF_DISK; promised: to others, who may not have taken it yet. */
    neededMib: z.number().int(),
    freeMib: z.number().int(),
    promisedMib: z.number().int(),
    /** HOST_OUT_OF_CPUS. */
    neededCpus: z.number().int(),
    freeCpus: z.number().int(),
    promisedCpus: z.number().int(),
  })
  .partial();
export type ErrorDetails = Readonly<z.infer<typeof ErrorDetails>>;

const STATE_HINTS: Readonly<Record<EnvironmentState, string>> = {
  creating: "It is starting: try again once it runs.",
  running: "Try again once what is being done to it has ended.",
  paused: "'resume' brings it back where it was.",
  stopped: "'start' boots it with its disk.",
  failed: "'start' boots it with its disk; 'logs' has its last words.",
  destroying: "It is being removed.",
};

const QUOTA_HINTS: Readonly<Record<QuotaName, string>> = {
  environments: "Remove one first",
  running: "Stop or pause one first",
  memoryMib: "Stop or pause one first, or ask for less memory",
  cpus: "Stop or pause one first, or ask for fewer CPUs",
  diskMib: "Remove one first, or ask for a smaller disk",
  recordingsMib: "Stop or delete a recording first",
  hoursPerDay: "They begin again at midnight UTC",
};

/** What to do about an error, for a person. */
export function hintOf({ code, details }: PlatformError): string {
  if (details.quota !== undefined) {
    return `${QUOTA_HINTS[details.quota.name]}; 'microterm quota' shows what is left, and an admin can give more.`;
  }
  if (details.removal !== undefined) return "Its disk is gone with it; create a new one.";
  return code === "ENVIRONMENT_STATE" && details.state !== undefined ? STATE_HINTS[details.state] : ERRORS[code].hint;
}

/** The only error, with its subclasses, that crosses a package boundary on purpose; anything else is a bug. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  // Assigned by hand: parameter properties are not erasable, so Node cannot strip them.
  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly details?: ErrorDetails } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
