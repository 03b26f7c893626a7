import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestInterface } from "@microterm/core";
import { connectUnix } from "@microterm/host";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { connectAgent } from "./agent-client.ts";
import { GuestSession } from "./channel/guest-session.ts";

const Fixture = z.strictObject({
  version: z.literal(1),
  agents: z.array(
    z.strictObject({
      hello: z.looseObject({ protocol: z.number() }),
      keys: z.record(z.string(), z.array(z.string())),
    }),
  ),
});
type Agent = z.infer<typeof Fixture>["agents"][number];
const { agents } = Fixture.parse(
  JSON.parse(readFileSync(new URL("../../../fixtures/agent/versions.json", import.meta.url), "utf8")),
);

const ETH0: GuestInterface = {
  ...{ name: "eth0", macAddress: "02:00:00:00:00:01", address: "10.0.0.2", prefixLength: 24, gateway: null },
  ...{ resolvers: [], mtu: 1500, hosts: [] },
};
const SEED = new Uint8Array(64);
const IDENTITY = { hostname: "otter", machineId: "0".repeat(32), timeUnixMs: 1, seed: SEED, environment: "otter" };

async function readJson(stream: ServerHttp2Stream): Promise<Record<string, unknown>> {
  let text = "";
  for await (const piece of stream.setEncoding("utf8")) text += piece;
  return text === "" ? {} : JSON.parse(text);
}

/** An agent as the fixture describes it: it knows no other call, and refuses keys that it does not know. */
async function connectTo({ hello, keys }: Agent, epoch = 0) {
  const calls: { readonly call: string; readonly json: Record<string, unknown> }[] = [];
  const folder = await mkdtemp(join(tmpdir(), "mt-"));
  const server = createServer();
  server.on("stream", async (stream, { ":path": path = "" }) => {
    const call = path.slice("/v1/".length);
    const json = await readJson(stream);
    const answer = (status: number, body: object): void => {
      stream.respond({ ":status": status });
      stream.end(JSON.stringify(body));
    };
    if (call === "hello") return answer(200, hello);
    calls.push({ call, json });
    const known = keys[call];
    if (known === undefined) return answer(404, { code: "not-found", message: `no call ${path}` });
    const unknown = Object.keys(json).filter((key) => !known.includes(key));
    if (unknown.length > 0) return answer(400, { code: "bad-request", message: `unknown field ${unknown}` });
    return answer(200, call === "identity" ? { bootId: "6f1b4e0a-7f9e-4e56-9f3a-4d7b2f0c1a55" } : {});
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "agent.sock"), resolve));
  const session = new GuestSession(await connectUnix(join(folder, "agent.sock"), { timeoutMs: 30_000 }));
  onTestFinished(async () => {
    session.destroy();
    await session.closed;
    server.close();
    await rm(folder, { recursive: true });
  });
  return { guest: await connectAgent(session, { timeoutMs: 30_000, epoch }), calls };
}

const UNSUPPORTED = { code: "UNSUPPORTED" };

it.each(agents)("an agent of protocol $hello.protocol is sent no more than it knows", async (agent) => {
  const { guest, calls } = await connectTo(agent);
  expect(guest.hello.protocol).toBe(agent.hello.protocol);
  await guest.identify({ ...IDENTITY, interface: null });
  if (agent.keys.wake !== undefined) {
    await guest.claim({ environment: "otter", interface: null });
    await guest.wake({ timeUnixMs: 1, seed: SEED, interface: null });
  } else {
    await expect(guest.claim({ environment: "otter", interface: null })).rejects.toMatchObject(UNSUPPORTED);
    await expect(guest.wake({ timeUnixMs: 1, seed: SEED, interface: null })).rejects.toMatchObject(UNSUPPORTED);
  }
  for (const { call, json } of calls) expect([call, Object.keys(json).sort()]).toEqual([call, agent.keys[call]]);
});

const older = agents.filter(({ hello }) => hello.protocol < 4);
it.each(older)(
  "of protocol $hello.protocol it has no interface and no names, and is not asked for them",
  async (agent) => {
    const { guest, calls } = await connectTo(agent);
    for (const refused of [
      () => guest.identify({ ...IDENTITY, interface: ETH0 }),
      () => guest.claim({ environment: "otter", interface: ETH0 }),
      () => guest.wake({ timeUnixMs: 1, seed: SEED, interface: ETH0 }),
      () => guest.setNetwork({ interface: ETH0 }),
      () => guest.setNetwork({ interface: null }),
      () => guest.names(async ({ message }) => message),
    ]) {
      await expect(refused()).rejects.toMatchObject(UNSUPPORTED);
    }
    expect(calls).toEqual([]);
  },
);

it.each(agents)("of protocol $hello.protocol it hears of a later holder where it knows of holders", async (agent) => {
  const { calls } = await connectTo(agent, 7);
  const isTold = agent.keys.hold !== undefined;
  expect(calls).toEqual(isTold ? [{ call: "hold", json: { epoch: 7 } }] : []);
});

it("since protocol 4 it is given the interface by each call that makes a guest somebody's, and by its own", async () => {
  const { guest, calls } = await connectTo(agents.at(-1) as Agent);
  await guest.identify({ ...IDENTITY, interface: ETH0 });
  await guest.claim({ environment: "otter", interface: ETH0 });
  await guest.wake({ timeUnixMs: 1, seed: SEED, interface: ETH0 });
  await guest.setNetwork({ interface: ETH0 });
  expect(calls.map(({ call, json }) => [call, json.network])).toEqual(
    ["identity", "claim", "wake", "network"].map((call) => [call, ETH0]),
  );
});
