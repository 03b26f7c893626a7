/**
 * A server of a fleet, for tests that stop or kill one: `fleet-victim.ts FOLDER AGENT URL NAME`. Makes a running environment, says its number, and
 * goes on. Exits with 1 when others took it for dead.
 */
import { ANN } from "./core-server.ts";
import { openMember } from "./fleet-world.ts";

const [folder = "", agentBinary = "", url = "", name = ""] = process.argv.slice(2);
const { service, storage } = await openMember({ folder, agentBinary, url }, { onDeclaredDead: () => process.exit(1) });
await service.recover();
const { id } = await service.create(ANN, { name });
await service.wait(ANN, id, { states: ["running"], timeoutMs: 90_000 });
process.stdout.write(`${storage.fleet.number}\n`);
