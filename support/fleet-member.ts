/**
 * A server of a fleet without anything but its storage, for tests that stop or kill one: `fleet-member.ts URL ADDRESS NAME`. Prints its
 * number, then notes on and on that the environment NAME, which it holds, is there. Exits with 1 when it was declared dead.
 */
import { setImmediate } from "node:timers/promises";
import { SYSTEM } from "@microterm/core";
import { createPostgresStorage } from "@microterm/storage";
import { createQuietLog } from "./quiet-log.ts";

const [url = "", address = "", name = ""] = process.argv.slice(2);
const storage = await createPostgresStorage({
  url,
  log: createQuietLog(),
  fleet: { address, onDeclaredDead: () => process.exit(1) },
});
const row = (await storage.environments.list(SYSTEM)).find((one) => one.name === name);
if (row === undefined) throw new Error(`there is no environment '${name}'`);
await storage.environments.transition(row.id, ["creating"], "running");
process.stdout.write(`${storage.fleet.number}\n`);
for (let count = 1; ; count++) {
  await storage.environments.transition(row.id, ["running"], "running", { interruptions: count }).catch(() => {});
  // What is refused at once leaves the loop no time to hear why.
  await setImmediate();
  await storage.environments.setTimes(row.id, { idleTimeoutSeconds: count }).catch(() => {});
}
