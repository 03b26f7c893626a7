import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { openFleet, type TestFleet } from "../fleet.ts";
import { invite } from "../people.ts";
import type { Answer, TestServer } from "../server.ts";
import { withFakeNodes } from "./fake-nodes.ts";

const AGENT_PORT = 7070;
const MOST_EACH = 100;
const PARALLEL = 16;

/** An account, by a token that every server takes. */
export interface Owner {
  readonly name: string;
  readonly token: string;
}

/** Two servers of one fleet, whose pods are on nodes that run nothing. */
export interface FakeFleet {
  readonly fleet: TestFleet;
  readonly servers: readonly [TestServer, TestServer];
  /** Enough of them to have so many environments, 100 each at most. */
  owners(environments: number): Promise<readonly Owner[]>;
}

export interface MadeEnvironment {
  readonly id: string;
  readonly owner: Owner;
  /** From the request until it runs, ms. */
  readonly tookMs: number;
}

/** Nothing is left of it. */
export async function withFakeFleet(nodes: number, run: (fake: FakeFleet) => Promise<void>): Promise<void> {
  const fleet = await openFleet();
  let left: readonly string[] = [];
  try {
    // The first one proves the cluster, by pods that run.
    const servers = [await fleet.start(), await fleet.start()] as const;
    const [first] = servers;
    await first.ok("PUT", "/v1/quotas/member", {
      ...{ environments: MOST_EACH, running: MOST_EACH, memoryMib: 1_000_000, cpus: 10_000, diskMib: 1_000_000 },
      ...{ recordingsMib: null, hoursPerDay: null },
    });
    const known: Owner[] = [];
    const owners = async (environments: number): Promise<readonly Owner[]> => {
      while (known.length * MOST_EACH < environments) known.push(await makeOwner(first, `owner${known.length}`));
      return known;
    };
    await withFakeNodes(nodes, async () => {
      const agent = spawn(
        "setpriv",
        [
          "--pdeathsig",
          "KILL",
          "--",
          process.execPath,
          join(import.meta.dirname, "stand-in-agent.ts"),
          `${AGENT_PORT}`,
        ],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      try {
        await once(agent.stdout, "data");
        await run({ fleet, servers, owners });
      } finally {
        await destroyAll({ servers }, known);
        agent.kill("SIGKILL");
        await once(agent, "exit");
      }
    });
  } finally {
    left = await fleet.dispose();
  }
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
}

/** Makes environments at both servers in turn, `parallel` at a time, until they run. */
export async function makeEnvironments(
  fake: FakeFleet,
  count: number,
  {
    from = 0,
    parallel = PARALLEL,
    made = () => {},
  }: { from?: number; parallel?: number; made?: (done: number) => void } = {},
): Promise<readonly MadeEnvironment[]> {
  const owners = await fake.owners(from + count);
  const environments: MadeEnvironment[] = [];
  let next = from;
  const work = async (): Promise<void> => {
    while (next < from + count) {
      const at = next++;
      const owner = owners[Math.floor(at / MOST_EACH)] as Owner;
      environments.push(await makeEnvironment(fake.servers[at % 2] as TestServer, owner));
      made(environments.length);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return environments;
}

export async function makeEnvironment(server: TestServer, owner: Owner): Promise<MadeEnvironment> {
  const begin = performance.now();
  const { id } = await as(server, owner, "POST", "/v1/environments", {});
  const { state } = await as(server, owner, "GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`);
  if (state !== "running") throw new Error(`${id} is ${state}`);
  return { id, owner, tookMs: performance.now() - begin };
}

async function makeOwner(server: TestServer, name: string): Promise<Owner> {
  const person = await invite(server, name);
  const { status, text, json } = await person.call("POST", "/v1/account/tokens", {
    name: "all",
    scopes: ["environments:read", "environments:write"],
  });
  if (status !== 201) throw new Error(`no token was made: ${status} ${text}`);
  return { name, token: json.token };
}

/** Like `ok`, as an owner. */
export async function as(
  server: TestServer,
  { token }: Owner,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer["json"]> {
  const answer = await server.call(method, path, { token, ...(body === undefined ? {} : { body }) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.json;
}

async function destroyAll({ servers }: Pick<FakeFleet, "servers">, owners: readonly Owner[]): Promise<void> {
  for (const owner of owners) {
    const { environments } = await as(servers[0], owner, "GET", "/v1/environments");
    const ids = (environments as { readonly id: string }[]).map(({ id }) => id);
    const work = async (): Promise<void> => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop())
        await as(servers[0], owner, "DELETE", `/v1/environments/${id}`);
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
  }
}
