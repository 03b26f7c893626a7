import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";

/** What a backup needs to know of the environments that are in its database. */
const Line = z.object({
  table: z.literal("environments"),
  row: z.object({
    id: z.string().regex(/^[a-z0-9]{1,12}$/),
    name: z.string(),
    disk_id: z.string().regex(/^[a-z0-9]{1,16}$/),
    image: z
      .string()
      .regex(/^[a-z0-9-]{8,64}$/)
      .nullable(),
  }),
});
export type BackedUp = z.infer<typeof Line>["row"];

/** The environments of an exported database that is a part of a file. */
export async function environmentsIn(path: string, start: number, end: number): Promise<readonly BackedUp[]> {
  const found: BackedUp[] = [];
  for await (const line of createInterface({ input: createReadStream(path, { start, end: end - 1 }) })) {
    if (!line.startsWith('{"table":"environments"')) continue;
    found.push(Line.parse(JSON.parse(line)).row);
  }
  return found;
}
