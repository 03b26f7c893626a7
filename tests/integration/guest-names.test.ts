/** Names from a program of a guest to a name server and back: a real agent in namespaces of its own, and all of the server's half. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createDriverRegistry,
  createEnvironmentService,
  type EnvironmentService,
  type GuestInterface,
  type NamePolicy,
  type NetworkProvider,
  type Storage,
  type VmDriver,
} from "@microterm/core";
import { accountRow, auditLogOf, runInGuest, silentLog, systemClock, systemRandom } from "@microterm/core/testing";
import { createProcessDriver } from "@microterm/drivers";
import type { Environment } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { expect, it, onTestFinished } from "vitest";
import { createNameServer } from "../../packages/server/src/names/name-server.ts";
import { createUpstream } from "../../packages/server/src/names/upstream.ts";
import { addressOf, reply, startNameUpstream } from "../../support/name-upstream.ts";
import { rustBinary } from "../../support/rust-binaries.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN } from "./core-server.ts";

const ETH0: GuestInterface = {
  ...{ name: "eth0", macAddress: "02:00:00:00:00:0a", address: "10.0.0.2", prefixLength: 24, gateway: "10.0.0.1" },
  ...{ resolvers: ["169.254.53.53"], mtu: 1500, hosts: [{ name: "neighbour", address: "10.0.0.3" }] },
};

/** Starts agents as guests have them: in namespaces of their own, beside a device, with a network to set up. */
const WRAPPER = (agent: string) => `#!/bin/sh
exec unshare --net --mount sh -c '
  mount -t tmpfs none /etc &&
  ip link add eth0 address ${ETH0.macAddress} type veth peer name peer && ip link set peer up &&
  exec "$0" "$@" --network
' ${agent} "$@"
`;

/** Allows what ends in `.com`, and says what it was told. */
function createPolicy(): NamePolicy & { readonly admitted: string[] } {
  const admitted: string[] = [];
  return {
    admitted,
    allows: (name) => name.endsWith(".com"),
    admit: async (name, addresses) => {
      admitted.push(`${name} ${addresses.join(" ")}`);
    },
  };
}

function networkWith(policy: NamePolicy | null): NetworkProvider {
  return {
    name: "a veth pair",
    capabilities: {
      ...{ supportsOutbound: true, policies: ["none", "open"] },
      ...{ supportsDomainPolicy: true, supportsSharedNetworks: true, isEnforced: true },
    },
    attach: async (machineId) => ({ machineId, reach: "outbound", link: null, interface: ETH0 }),
    detach: async () => ({ namespaces: null, links: null, flows: null }),
    list: async () => [],
    setPolicy: async () => {},
    share: async () => ETH0,
    memberAddress: () => null,
    traffic: async () => ({ traffic: null, connections: null }),
    denials: async () => [],
    names: () => policy,
  };
}

/** With 40 addresses, an answer is too long for a plain UDP packet. */
const MANY = Array.from({ length: 40 }, (_, number) => `93.184.216.${number}`);

const nameServer = () =>
  startNameUpstream(({ name, transport }, query) => {
    if (name === "many.example.com") {
      const all = MANY.map((address) => addressOf(name, address));
      return [transport === "udp" ? reply(query, [], { flags: 0x200 }) : reply(query, all)];
    }
    if (name === "www.example.com")
      return [reply(query, [addressOf(name, "93.184.215.14"), addressOf(name, "10.0.0.1")])];
    return [reply(query, [], { code: 3 })];
  });

interface World {
  readonly driver: VmDriver;
  readonly storage: Storage;
}

async function makeWorld(): Promise<World> {
  const folder = await makeTempFolder();
  const agentBinary = join(folder.path, "agent");
  await writeFile(agentBinary, WRAPPER(await rustBinary("microterm-agent")));
  await chmod(agentBinary, 0o755);
  const storage = await createSqliteStorage({ path: join(folder.path, "microterm.db") });
  await storage.accounts.insert(accountRow(ANN.owner, "2026-11-29T10:00:00.000Z"));
  const directory = join(folder.path, "machines");
  await mkdir(directory);
  const driver = createProcessDriver({ agentBinary, directory, log: silentLog });
  onTestFinished(async () => {
    for (const { machineId } of await driver.list()) await driver.remove(machineId);
    await storage.close();
    await folder.remove();
  });
  return { driver, storage };
}

/** What one server process holds. */
async function serve({ driver, storage }: World, policy: NamePolicy | null, port: number): Promise<EnvironmentService> {
  const upstream = createUpstream({ servers: () => [{ address: "127.0.0.1", port }] });
  const service = createEnvironmentService({
    ...{
      storage,
      audit: auditLogOf(storage),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      network: networkWith(policy),
    },
    drivers: createDriverRegistry({ default: driver }),
    names: createNameServer({ upstream, now: () => performance.now() }),
  });
  await service.recover();
  onTestFinished(() => service.close());
  return service;
}

async function running(service: EnvironmentService): Promise<Environment> {
  const { id } = await service.create(ANN, {});
  const found = await service.wait(ANN, id, { states: ["running", "failed"], timeoutMs: 60_000 });
  expect(found).toMatchObject({ state: "running" });
  return found as Environment;
}

async function run(service: EnvironmentService, { id }: Environment, ...command: string[]) {
  const { stdout, stderr, exit } = await runInGuest(await service.agent(ANN, id), command);
  return { stdout, stderr, code: exit?.code };
}

/** The addresses that the C library finds. */
const lookUp = async (service: EnvironmentService, environment: Environment, name: string) => {
  const { stdout, code } = await run(service, environment, "getent", "ahostsv4", name);
  const addresses = stdout.split("\n").flatMap((line) => (line.includes("STREAM") ? [line.split(" ")[0]] : []));
  return { addresses, code };
};

/** What c-ares answers, another resolver than the C library's; by TCP where an answer is cut off. */
const resolve4 = async (service: EnvironmentService, environment: Environment, name: string) => {
  const program = `require("node:dns").promises.resolve4("${name}").then((all) => console.log(JSON.stringify(all)), ({ code }) => console.log(JSON.stringify(code)))`;
  return JSON.parse((await run(service, environment, process.execPath, "-e", program)).stdout);
};

it("a guest's programs ask for names, by UDP and TCP, and get what its policy allows", async () => {
  const [world, policy, upstream] = [await makeWorld(), createPolicy(), await nameServer()];
  const service = await serve(world, policy, upstream.port);
  const environment = await running(service);
  expect((await run(service, environment, "cat", "/etc/resolv.conf")).stdout).toBe("nameserver 169.254.53.53\n");
  expect((await lookUp(service, environment, "neighbour")).addresses).toEqual(["10.0.0.3"]);

  expect(await lookUp(service, environment, "www.example.com")).toEqual({ addresses: ["93.184.215.14"], code: 0 });
  expect(await resolve4(service, environment, "www.example.com")).toEqual(["93.184.215.14"]);
  expect(new Set(await resolve4(service, environment, "many.example.com"))).toEqual(new Set(MANY));
  expect(await resolve4(service, environment, "none.example.com")).toBe("ENOTFOUND");
  expect(new Set(policy.admitted)).toEqual(
    new Set(["www.example.com 93.184.215.14", `many.example.com ${MANY.join(" ")}`]),
  );
  const transports = upstream.asked.flatMap(({ name, transport }) => (name.startsWith("many") ? [transport] : []));
  expect(transports).toEqual(["udp", "tcp"]);

  // Denied: an address that stands for the name, and nothing upstream. Of the host's own network: no such name.
  expect(await lookUp(service, environment, "www.example.org")).toEqual({ addresses: ["198.18.0.1"], code: 0 });
  expect(await resolve4(service, environment, "printer.local")).toBe("ENOTFOUND");
  expect(upstream.asked.map(({ name }) => name)).not.toContain("www.example.org");

  // The server is started again, and takes the guest over.
  await service.close();
  const next = await serve(world, policy, upstream.port);
  const again = () => resolve4(next, environment, "www.example.com");
  await expect.poll(again, { timeout: 30_000 }).toEqual(["93.184.215.14"]);
  await next.destroy(ANN, environment.id);
});

it("without a policy no name is answered, and none is waited for", async () => {
  const [world, upstream] = [await makeWorld(), await nameServer()];
  const service = await serve(world, null, upstream.port);
  const environment = await running(service);
  expect(await resolve4(service, environment, "www.example.com")).toBe("ESERVFAIL");
  expect((await lookUp(service, environment, "www.example.com")).addresses).toEqual([]);
  expect(upstream.asked).toEqual([]);
  await service.destroy(ANN, environment.id);
});
