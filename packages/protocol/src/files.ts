import { z } from "zod";

export const FileEntry = z.strictObject({
  path: z.string(),
  type: z.enum(["file", "directory", "symlink", "other"]),
  size: z.number().int(),
  /** Permission bits, as in chmod(1). */
  mode: z.number().int(),
  modifiedAt: z.iso.datetime(),
  target: z.string().optional(),
  /** No call can name it: its path is no UTF-8 and shown with replacements, or is too long. */
  isUnopenable: z.literal(true).optional(),
});
export type FileEntry = z.infer<typeof FileEntry>;

/** A thing that a copy could not carry; `reason` is how the sentence "it …" goes on. */
export const LeftOutMember = z.strictObject({ path: z.string(), reason: z.string() });

/** What became of a tar's members. */
export const ExtractedTar = z.strictObject({
  /** Made, or there already as folders. */
  entries: z.number().int(),
  /** Members that could not be made, the first 200 of them. */
  leftOut: z.array(LeftOutMember),
  /** All of them. */
  leftOutCount: z.number().int(),
});
export type ExtractedTar = z.infer<typeof ExtractedTar>;

/** First message of an exec: what to run. Relative `cwd` starts at the user's home. */
export const ExecRequest = z.strictObject({
  command: z.array(z.string()).min(1),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).optional(),
  cwd: z.string().max(4096).optional(),
  tty: z.strictObject({ cols: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) }).nullable(),
});
export type ExecRequest = z.infer<typeof ExecRequest>;

export const ExecFailure = z.strictObject({
  code: z.enum(["not-found", "not-executable", "bad-cwd", "failed"]),
  message: z.string(),
});
export type ExecFailure = z.infer<typeof ExecFailure>;

/** MAX_ARG_STRLEN of execve(2), without the NUL at the end. */
const MAX_STRING_BYTES = 128 * 1024 - 1;
/** A quarter of the default stack (execve(2)), for strings, their NULs and a pointer to each. */
const MAX_ALL_BYTES = 2 * 1024 * 1024;
const POINTER_BYTES = 8;

/** Why Linux would refuse a command for its length, as it says it, with the numbers; null where it would not. */
export function tooLongToRun({ command, env }: Pick<ExecRequest, "command" | "env">): ExecFailure | null {
  const fail = (why: string): ExecFailure => ({ code: "failed", message: `argument list too long (E2BIG): ${why}` });
  const strings = [...command, ...Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)];
  let all = 0;
  for (const [index, text] of strings.entries()) {
    const bytes = utf8Length(text);
    if (bytes > MAX_STRING_BYTES) {
      const what =
        index < command.length ? `word ${index + 1} of the command` : `the variable ${text.split("=", 1)[0]}`;
      return fail(`${what} has ${bytes} bytes, and Linux takes ${MAX_STRING_BYTES} at most`);
    }
    all += bytes + 1 + POINTER_BYTES;
  }
  if (all <= MAX_ALL_BYTES) return null;
  return fail(`command and variables take ${all} bytes, and Linux takes ${MAX_ALL_BYTES} at most`);
}

function utf8Length(text: string): number {
  let length = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    // Half of a surrogate pair's four bytes; a lone one becomes U+FFFD, of three.
    const isPair = unit >= 0xd800 && unit < 0xdc00 && text.charCodeAt(index + 1) >> 10 === 0x37;
    if (isPair) index += 1;
    length += isPair ? 4 : unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
  }
  return length;
}
