import { PlatformError } from "@microterm/protocol";
import { z } from "zod";

/** Of the lines below; a new one is another format. */
export const FORMAT = 1;
/** No row of ours is near it. */
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** The first line. */
export const Head = z.strictObject({
  format: z.literal(FORMAT),
  migration: z.string().regex(/^\d{4}-[a-z0-9-]{1,60}$/),
});
/** What every database has and gives back as it was: text, numbers, null; and bytes, which are written as base64. */
const Value = z.union([
  z.string(),
  z.number(),
  z.null(),
  z.strictObject({ bytes: z.base64() }).transform(({ bytes }) => new Uint8Array(Buffer.from(bytes, "base64"))),
]);
const Written = z.union([
  z.string(),
  z.number(),
  z.null(),
  z.instanceof(Uint8Array).transform((bytes) => ({ bytes: Buffer.from(bytes).toString("base64") })),
]);
/** A row, behind the rows that it refers to. */
const Row = z.strictObject({ table: z.string(), row: z.record(z.string(), Value) });
/** The last line, without which the rest is a part. */
const End = z.strictObject({ rows: z.number().int().nonnegative() });

export type Row = z.infer<typeof Row>;
export const Line = z.union([Row, End]);

export function parseLine<T>(schema: z.ZodType<T>, line: string): T {
  try {
    if (line.length > MOST_CHARACTERS) throw new Error("it is too long");
    return schema.parse(JSON.parse(line));
  } catch (cause) {
    throw new PlatformError("BAD_REQUEST", "the backup's database has a line that no microterm has written", { cause });
  }
}

/** Throws for what no line can have: a migration that adds such a column has to say here how it is written. */
export function formatRow(table: string, row: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ table, row: z.record(z.string(), Written).parse(row) });
}
