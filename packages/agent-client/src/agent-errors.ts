import { type ErrorCode, PlatformError } from "@microterm/protocol";
import { type AgentErrorCode, AgentRefusal } from "./channel/agent-call.ts";

/** What an agent's codes mean to a caller, by what the call was about. */
const COMMON: Record<AgentErrorCode, ErrorCode> = {
  "bad-request": "BAD_REQUEST",
  "not-found": "NOT_FOUND",
  exists: "BAD_REQUEST",
  "not-a-file": "FILE_NOT_REGULAR",
  "not-a-directory": "FILE_NOT_REGULAR",
  "too-many": "TOO_MANY",
  "offset-out-of-range": "BAD_REQUEST",
  permission: "FILE_FORBIDDEN",
  "no-space": "GUEST_DISK_FULL",
  sealed: "ENVIRONMENT_STATE",
  unsupported: "UNSUPPORTED",
  refused: "PORT_REFUSED",
  superseded: "GUEST_UNREACHABLE",
  internal: "GUEST_PROTOCOL",
};

const BY_SUBJECT: Record<Subject, Partial<Record<AgentErrorCode, ErrorCode>>> = {
  guest: {},
  terminal: { "not-found": "TERMINAL_NOT_FOUND" },
  file: { "not-found": "FILE_NOT_FOUND", exists: "FILE_NOT_REGULAR" },
};

export type Subject = "guest" | "terminal" | "file";

/** Turns an agent's refusal into the error for the caller; anything else passes as it is. */
export function refusalOf(error: unknown, subject: Subject): unknown {
  if (!(error instanceof AgentRefusal)) return error;
  const code = BY_SUBJECT[subject][error.code] ?? COMMON[error.code];
  return new PlatformError(code, `the guest refused: ${error.message}`, { cause: error });
}
