import { PlatformError } from "@microterm/protocol";

/**
 * SQLSTATEs, or the classes that they begin with, of a server that cannot be used now
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html): connections (08), authorization (28) and catalogs (3D), which a person
 * has to repair; too few resources (53); shutdown, crash, start-up (57P); a statement that took too long (57014), a lock that was not to be had
 * in time (55P03), a standby that takes no writes (25006).
 */
const UNAVAILABLE = ["08", "28", "3D", "53", "57P", "57014", "55P03", "25006"] as const;
/** Of those, what one statement met, on a connection that is as good as before. */
const OF_ONE_STATEMENT: ReadonlySet<string> = new Set(["57014", "55P03"]);
const DISK_FULL = "53100";
/** Five characters of digits and capital letters. */
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Of Node's sockets; some are as long as a SQLSTATE, and none of those is of letters alone that begin with E. */
const SYSTEM_ERROR = /^E[A-Z]{2,}$/;
/** Of a program that is wrong, whose every other error without a SQLSTATE is the connection's. */
const BUGS = [TypeError, RangeError, ReferenceError] as const;

interface Failure {
  readonly error: Error;
  /** Nothing can be asked on this connection any more. */
  readonly isLost: boolean;
}

/** What an error of pg means, of a query or of a connection, in the words of the table of errors; what it does not know stays as it is. */
export function explain(cause: unknown): Failure {
  if (!(cause instanceof Error) || cause instanceof PlatformError) return { error: cause as Error, isLost: false };
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (code === DISK_FULL) {
    const message = "the database's host has no space left";
    return { error: new PlatformError("HOST_OUT_OF_DISK", message, { cause }), isLost: false };
  }
  const isStatus = SQLSTATE.test(code) && !SYSTEM_ERROR.test(code);
  const isAway = isStatus
    ? UNAVAILABLE.some((prefix) => code.startsWith(prefix))
    : !BUGS.some((bug) => cause instanceof bug);
  if (!isAway) return { error: cause, isLost: false };
  return { error: unavailable(cause), isLost: !OF_ONE_STATEMENT.has(code) };
}

/** pg's messages name host, port, user and database, and never a password. */
export function unavailable(cause: Error): PlatformError {
  const why = cause.message === "" && "code" in cause ? String(cause.code) : cause.message;
  return new PlatformError("DATABASE_UNAVAILABLE", `the database cannot be used now: ${why}`, { cause });
}
