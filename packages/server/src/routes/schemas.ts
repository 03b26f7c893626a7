import { GrantId, Port, Problem, TerminalId } from "@microterm/protocol";
import { z } from "zod";

/** An id, an exact name, or a unique id prefix. What it stands for is looked up among the owner's own. */
export const EnvironmentParams = z.strictObject({
  env: z.string().regex(/^[a-z0-9-]{1,32}$/, "must be an environment's id, name or id prefix"),
});

export const TerminalParams = z.strictObject({ ...EnvironmentParams.shape, terminal: TerminalId });

/** What a share has let somebody in by. */
export const GrantParams = z.strictObject({ grant: GrantId });

/** A TCP port in an address. */
export const PortParams = z.strictObject({
  ...EnvironmentParams.shape,
  port: z
    .string()
    .regex(/^[1-9]\d{0,4}$/, "must be a number from 1 to 65535")
    .transform(Number)
    .pipe(Port),
});

/** Bytes of UTF-8 that the agent accepts: docs/reference/agent-protocol.md, Errors. */
const MAX_PATH_BYTES = 4096;

/** A path inside a guest. Where it leads is the guest's own affair: it is opened there, as the user `dev`. */
export const GuestPath = z
  .string()
  .min(1)
  .refine((path) => !path.includes("\0"), "must not contain NUL")
  .refine((path) => path.isWellFormed(), "must be well-formed Unicode")
  .refine((path) => Buffer.byteLength(path) <= MAX_PATH_BYTES, `must not be longer than ${MAX_PATH_BYTES} bytes`);

/** A number in a query string. */
export const count = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));

/** `1` or `true`; absent is false. */
export const Switch = z
  .enum(["0", "1", "true", "false"])
  .default("0")
  .transform((value) => value === "1" || value === "true");

/** A path that needs no answer body. */
export const NoContent = z.null().describe("Nothing");

/**
 * For an answer that is a stream: asked for its head alone, it would be read to its end in vain, and one without an end
 * would go on for ever.
 */
export const GET_ONLY = { exposeHeadRoute: false } as const;

/** What every call may answer instead: a problem document, whose `code` docs/reference/errors.md explains. */
export const problems = {
  default: {
    description: "A problem document (RFC 9457)",
    content: { "application/problem+json": { schema: Problem } },
  },
} as const;

/** An answer whose body is a stream of `mediaType`, or a problem document. */
export const streamOf = (mediaType: string, description: string) => ({
  200: { description, content: { [mediaType]: { schema: z.unknown().describe(description) } } },
  ...problems,
});
