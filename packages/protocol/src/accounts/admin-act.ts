import { z } from "zod";
import { EnvironmentId } from "../ids.ts";

/** What an admin did with what is one's own, with the names of that time. */
export const AdminAct = z.strictObject({
  id: z.string(),
  /** `look-in`: saw a terminal. `transfer`: gave an environment to another account. */
  kind: z.enum(["look-in", "transfer"]),
  at: z.iso.datetime(),
  /** The admin's account. */
  admin: z.string(),
  /** Null of one that is another's by now. */
  environment: EnvironmentId.nullable(),
  environmentName: z.string(),
  /** The account that has it since; null of a look-in. */
  recipient: z.string().nullable(),
});
export type AdminAct = Readonly<z.infer<typeof AdminAct>>;
