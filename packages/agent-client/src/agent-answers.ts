import { type FileEntry, ListeningPorts } from "@microterm/protocol";
import { z } from "zod";

/** Answers of a guest's agent (docs/reference/agent-protocol.md). Hostile input: strict, and every string bounded. */
const MAX_OFFSET = 2 ** 53 - 1;
const count = z.number().int().min(0).max(MAX_OFFSET);
const path = z.string().max(8192);
/** A day that a Date can hold; guests set file times as they like. */
const unixMs = z.number().int().min(-8.64e15).max(8.64e15);

const hello = { agent: z.string().max(64), bootId: z.string().max(64), uptimeMs: count };

/** Of another version only the number is read, for the error. */
export const Hello = z.union([
  z.strictObject({ protocol: z.literal([2, 3, 4, 5]), sealed: z.boolean(), ...hello }),
  // An agent of version 1 cannot be sealed.
  z.strictObject({ protocol: z.literal(1), ...hello }).transform((old) => ({ ...old, sealed: false })),
  z.looseObject({ protocol: z.number().int().min(6) }).transform(({ protocol }) => ({ protocol, sealed: null })),
]);

/** A line of `GET /v1/ports`. */
export const AgentPorts = ListeningPorts;
export type AgentPorts = z.infer<typeof AgentPorts>;

export const Identified = z.strictObject({ bootId: z.string().max(64) });

const Exit = z.union([
  z.strictObject({ code: z.number().int().min(0).max(255) }),
  z.strictObject({ signal: z.number().int().min(1).max(64) }),
]);

export const AgentTerminal = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{1,32}$/),
  pid: count,
  cols: z.number().int().min(1).max(1000),
  rows: z.number().int().min(1).max(1000),
  startOffset: count,
  endOffset: count,
  createdUnixMs: unixMs,
  exit: Exit.nullable(),
});
export type AgentTerminal = z.infer<typeof AgentTerminal>;

/** 64 that run, 64 that have ended, and room for a change of mind. */
export const AgentTerminals = z.strictObject({ terminals: z.array(AgentTerminal).max(256) });

export const AgentEntry = z.strictObject({
  path,
  type: z.enum(["file", "directory", "symlink", "other"]),
  size: count,
  mode: z.number().int().min(0).max(0o177777),
  modifiedUnixMs: unixMs,
  target: path.optional(),
  /** Of agents from version 3 on. */
  isUnopenable: z.literal(true).optional(),
});
export type AgentEntry = z.infer<typeof AgentEntry>;

export const AgentEntries = z.strictObject({ entries: z.array(AgentEntry).max(10_000), truncated: z.boolean() });
/** 10,000 entries with paths of some length. */
export const MAX_ENTRIES_BYTES = 16 * 1024 * 1024;

export const Extracted = z.strictObject({
  entries: count,
  /** Of agents from version 3 on; those before passed over what they could not make. */
  leftOut: z
    .array(z.strictObject({ path, reason: z.string().max(1024) }))
    .max(200)
    .default([]),
  leftOutCount: count.default(0),
});
/** As many left-out members with long names. */
export const MAX_EXTRACTED_BYTES = 1024 * 1024;

export const AgentMetrics = z.strictObject({
  uptimeMs: count,
  cpu: z.strictObject({ userMs: count, systemMs: count, idleMs: count }),
  memory: z.strictObject({ totalKib: count, availableKib: count }),
  disk: z.strictObject({ totalKib: count, freeKib: count }),
  processes: count,
  load1: z.number().min(0).max(1e9),
});

/** An answer whose body says nothing: `{}` or none at all. */
export const Nothing = z.union([z.undefined(), z.strictObject({})]);

export function toFileEntry(entry: AgentEntry): FileEntry {
  return {
    path: entry.path,
    type: entry.type,
    size: entry.size,
    mode: entry.mode & 0o7777,
    modifiedAt: new Date(entry.modifiedUnixMs).toISOString(),
    ...(entry.target === undefined ? {} : { target: entry.target }),
    ...(entry.isUnopenable === undefined ? {} : { isUnopenable: entry.isUnopenable }),
  };
}
