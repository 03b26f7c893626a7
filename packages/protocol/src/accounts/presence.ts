import { z } from "zod";
import { GrantId, ShareRole } from "./sharing.ts";

/** People of a terminal that are named; `count` has all. */
export const MAX_NAMED = 64;

/** One who looks at a terminal, however many windows they have. */
export const Person = z.strictObject({
  /** Null: the owner. */
  grant: GrantId.nullable(),
  /** Of the account; what a person without one calls themselves, null where they did not say. */
  name: z.string().max(64).nullable(),
  /** Whether it is an account's. */
  isVerified: z.boolean(),
  /** An admin who looks at what is another's. */
  isLookIn: z.boolean(),
  role: z.enum(["owner", ...ShareRole.options]),
  /** They typed within the last seconds. */
  isTyping: z.boolean(),
  /** They ask to type, and may not. */
  isAsking: z.boolean(),
});
export type Person = z.infer<typeof Person>;

/** Who is at a terminal. */
export const Presence = z.strictObject({
  people: z.array(Person).max(MAX_NAMED),
  count: z.number().int().nonnegative(),
});
export type Presence = z.infer<typeof Presence>;
