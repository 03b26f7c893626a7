import { userInfo } from "node:os";

/** Why a file that an option names could not be opened, and what to do, for the end of a message. */
export function unreadable(path: string, cause: unknown): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return `cannot be read by the server's user (${reason}): chgrp ${userInfo().username} ${path} && chmod 640 ${path}`;
}
