import { z } from "zod";

export const FileEntry = z.strictObject({
  path: z.string(),
  type: z.enum(["file", "directory", "symlink", "other"]),
  size: z.number().int(),
  /** Permission bits, as in chmod(1). */
  mode: z.number().int(),
  modifiedAt: z.iso.datetime(),
  target: z.string().optional(),
});
export type FileEntry = z.infer<typeof FileEntry>;

/** First message of an exec: what to run. Relative `cwd` starts at the user's home. */
export const ExecRequest = z.strictObject({
  command: z.array(z.string().max(32_768)).min(1).max(1024),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(32_768)).optional(),
  cwd: z.string().max(4096).optional(),
  tty: z.strictObject({ cols: z.number().int().min(1).max(1000), rows: z.number().int().min(1).max(1000) }).nullable(),
});
export type ExecRequest = z.infer<typeof ExecRequest>;

export const ExecFailure = z.strictObject({
  code: z.enum(["not-found", "not-executable", "bad-cwd", "failed"]),
  message: z.string(),
});
export type ExecFailure = z.infer<typeof ExecFailure>;
