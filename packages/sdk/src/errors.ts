import { ERRORS, type ErrorCode, PlatformError, Problem } from "@microterm/protocol";

/** The server refused a request: a problem document (RFC 9457) as an exception. */
export class RequestError extends PlatformError {
  readonly status: number;
  /** What to do about it, for a person. */
  readonly hint: string;
  readonly retryable: boolean;
  /** The request's id in the server's log, where the server gave one. */
  readonly instance: string | null;

  constructor(code: ErrorCode, problem: Problem) {
    super(code, problem.detail, { details: problem.details ?? {} });
    this.status = problem.status;
    this.hint = problem.hint;
    this.retryable = problem.retryable;
    this.instance = problem.instance ?? null;
  }

  /** For a fault of the server: under which id its log has more. Null for what the caller can correct, and where none was given. */
  get requestId(): string | null {
    return this.status < 500
      ? null
      : (/^urn:microterm:request:([0-9a-z]{1,32})$/.exec(this.instance ?? "")?.[1] ?? null);
  }
}

/** Nothing answered under the server's address, or the connection broke. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly url: string;

  constructor(url: string, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.url = url;
  }
}

/** Something answered that is not a microterm server of this version. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
}

/** Turns an answer with a status ≥ 400 into an exception; consumes its body. */
export async function readProblem(response: Response): Promise<RequestError | AnswerError> {
  const text = await response.text().catch(() => "");
  const problem = Problem.safeParse(parse(text));
  if (!problem.success) {
    return new AnswerError(`${response.url || "The server"} answered ${response.status} without a problem document.`);
  }
  // A newer server may have codes that this client has no row for.
  const code = Object.hasOwn(ERRORS, problem.data.code) ? (problem.data.code as ErrorCode) : "INTERNAL";
  return new RequestError(code, problem.data);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
