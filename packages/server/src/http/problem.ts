import { ERRORS, type ErrorCode, hintOf, PlatformError, type Problem } from "@microterm/protocol";
import type { FastifyError } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { z } from "zod";

/** Media type of RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/** Turns whatever was thrown into an error of the one table. What is not ours, nor a client's fault, is INTERNAL. */
export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    return badFields(
      error.validation.map(({ params, ...rest }) => issueOf({ ...rest, params }, error.validationContext)),
    );
  }
  const { statusCode, code, message } = (error ?? {}) as Partial<FastifyError>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") return new PlatformError("PAYLOAD_TOO_LARGE", "The body is too large.");
  // How @fastify/static speaks of folders and hidden files.
  if (statusCode === 403 || statusCode === 404)
    return new PlatformError("NOT_FOUND", "There is nothing at this address.");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new PlatformError("BAD_REQUEST", message ?? "The request cannot be understood.");
  }
  return new PlatformError("INTERNAL", "Something went wrong inside the server.", { cause: error });
}

/** A server says with it that another one has the environment: nothing of the request was done. Only peers read it. */
export const MOVED_HEADER = "microterm-moved";

/** What goes with the answer of an error that passes. */
export function retryHeaders({ code }: PlatformError): Readonly<Record<string, string>> {
  switch (code) {
    case "TOO_MANY":
      return { "retry-after": "10" };
    case "SERVER_LOST":
      return { "retry-after": "1" };
    case "ENVIRONMENT_MOVED":
      return { "retry-after": "1", [MOVED_HEADER]: "1" };
    default:
      return {};
  }
}

export const nothingAt = ({ method, url }: { readonly method: string; readonly url: string }): PlatformError =>
  new PlatformError("NOT_FOUND", `There is nothing at ${method} ${url.slice(0, 200)}.`);

/** The document of an error; `instance` is the request's id, under which the log has more. */
export function problemOf(error: PlatformError, instance: string): Problem {
  const { status, retryable } = ERRORS[error.code];
  return {
    type: `urn:microterm:error:${error.code.toLowerCase().replaceAll("_", "-")}`,
    title: titleOf(error.code),
    status,
    detail: error.message,
    instance: `urn:microterm:request:${instance}`,
    code: error.code,
    hint: hintOf(error),
    retryable,
    ...(Object.keys(error.details).length > 0 ? { details: error.details } : {}),
  };
}

interface BadField {
  readonly field: string;
  readonly message: string;
}

/** One BAD_REQUEST that names every bad field. */
function badFields(fields: readonly BadField[]): PlatformError {
  const flat = fields.slice(0, 50);
  return new PlatformError("BAD_REQUEST", flat.map(({ field, message }) => `${field}: ${message}`).join("; "), {
    details: { fields: flat },
  });
}

/** For what is parsed outside of Fastify's routes: WebSocket addresses and messages. */
export function parseOrBadRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw badFields(
    parsed.error.issues.map((issue) => ({ field: issue.path.join(".") || "value", message: issue.message })),
  );
}

interface ValidationIssue {
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params: Record<string, unknown>;
}

function issueOf(issue: ValidationIssue, context: string | undefined): BadField {
  const path = issue.instancePath.replace(/^\//, "").replaceAll("/", ".");
  return { field: path || (context ?? "body"), message: issue.message ?? "is not valid" };
}

function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll("_", " ");
  return words[0]?.toUpperCase() + words.slice(1);
}
