import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkDenial, NetworkPolicy } from "@microterm/protocol";
import type { QemuServer } from "./qemu-server.ts";
import { poll } from "./server.ts";

const PROGRAMS = join(import.meta.dirname, "internet/guest");

/** By what was asked about. */
type Answers = Readonly<Record<string, string>>;

/** A running environment, and what its guest can be asked about its network. */
export interface NetworkedGuest {
  readonly id: string;
  /** What a script prints. Rejects when it fails. */
  run(script: string): Promise<string>;
  setPolicy(policy: NetworkPolicy): Promise<void>;
  /** What became of each `PROTOCOL:HOST:PORT`: `reached`, `refused` at once, `hung`, or `unknown` where the name has no address. */
  reach(...targets: readonly string[]): Promise<Answers>;
  /** Opens a connection to port 7 of each. The answer says of each whether it is still `open`, has `ended`, or `hung`. */
  hold(...hosts: readonly string[]): Promise<() => Promise<Answers>>;
  denials(): Promise<readonly NetworkDenial[]>;
}

/** Lines of a word, and what is said about it. */
const answers = (text: string): Answers =>
  Object.fromEntries([...text.matchAll(/^(\S+) (.*)$/gm)].map(([, word = "", answer = ""]) => [word, answer]));

/** Brings the programs into it. `token`: of its owner, where that is not the server's. */
export async function networkedGuest(world: QemuServer, id: string, token?: string): Promise<NetworkedGuest> {
  const call = async (method: string, path: string, request: { body?: unknown; raw?: Buffer } = {}) => {
    const asked = { ...request, ...(token !== undefined && { token }) };
    const { status, text, json } = await world.server.call(method, `/v1/environments/${id}${path}`, asked);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return json;
  };
  const run = async (script: string): Promise<string> => {
    const body = { command: ["bash", "-c", script], timeoutMs: 120_000 };
    const { exit, stdout, stderr } = await call("POST", "/exec", { body });
    if (exit?.code !== 0) throw new Error(`${script}: ${JSON.stringify(exit)} ${stdout}${stderr}`);
    return stdout;
  };
  for (const name of ["probe.py", "hold.py"]) {
    await call("PUT", `/files/content?path=${name}`, { raw: readFileSync(join(PROGRAMS, name)) });
  }
  return {
    id,
    run,
    setPolicy: (network) => call("PATCH", "", { body: { network } }),
    reach: async (...targets) => answers(await run(`python3 probe.py ${targets.join(" ")}`)),
    async hold(...hosts) {
      await run("if [ -e hold.pid ]; then kill $(cat hold.pid); fi");
      await run(`nohup python3 hold.py ${hosts.join(" ")} >hold.log 2>&1 & echo $! >hold.pid`);
      const ask = () => run("cat </dev/tcp/127.0.0.1/9000");
      await poll("the connections", () => ask().then(Boolean, () => false));
      return async () => answers(await ask());
    },
    denials: async () => (await call("GET", "/network/denials")).denials,
  };
}
