import { readFileSync } from "node:fs";
import type { SharedNetwork } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FORBIDDEN, HOST, PLACES } from "../../support/internet/places.ts";
import { type NetworkedGuest, networkedGuest } from "../../support/networked-guest.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { addOwner } from "../../support/second-owner.ts";
import { type Answer, poll } from "../../support/server.ts";
import { startTestHost, type TestHost } from "../../support/test-host.ts";

const SIZE = { memoryMib: 192, diskMib: 256 };
const WEB = PLACES["web.example.org"] as string;
const OTHER = PLACES["other.example.org"] as string;
const OPEN = { mode: "open" } as const;
const NONE = { mode: "none" } as const;

let host: TestHost;
let world: QemuServer;
let guest: NetworkedGuest;
beforeAll(async () => {
  host = await startTestHost();
  world = await startQemuServer({ host });
  guest = await networkedGuest(world, await world.create({ name: "first", ...SIZE }));
});
afterAll(async () => {
  await world?.close();
  await host?.close();
});

/** Every target with one answer. */
const all = (targets: readonly string[], answer: string) => Object.fromEntries(targets.map((one) => [one, answer]));

async function slotRange(): Promise<string> {
  const { range } = await world.daemon.client.networkStatus();
  return (range as string).slice(0, (range as string).lastIndexOf("."));
}

it("a server on a host with networks offers each policy, and is open by default", async () => {
  expect(await world.server.ok("GET", "/v1/host")).toMatchObject({
    networkReason: null,
    networkModes: ["none", "open", "allowlist"],
    defaultNetwork: { mode: "open" },
  });
});

describe("a guest whose policy is open", () => {
  it("is installed what a developer installs, and speaks UDP", async () => {
    await guest.setPolicy(OPEN);
    const put = { raw: readFileSync(host.certificate) };
    await world.server.call("PUT", `/v1/environments/${guest.id}/files/content?path=ca.pem`, put);

    expect(await guest.run("curl -sS http://web.example.org/; curl -sS --cacert ca.pem https://web.example.org/")).toBe(
      `web.example.org to ${HOST}\n`.repeat(2),
    );
    const clone = "rm -rf project; git -c http.sslCAInfo=ca.pem clone -q https://git.example.org/project.git";
    expect(await guest.run(`${clone}; cat project/README`)).toBe("cloned\n");
    const pip = "pip --no-cache-dir --cert ca.pem install -q --break-system-packages --root-user-action=ignore";
    const index = "--index-url https://pypi.packages.example.org/simple";
    expect(await guest.run(`${pip} ${index} hello-example >&2; python3 -m hello_example`)).toBe("installed by pip\n");
    const source = "deb [trusted=yes] http://deb.packages.example.org ./";
    const apt = [
      "set -e; sudo rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*",
      `echo '${source}' | sudo tee /etc/apt/sources.list >&2`,
      "sudo apt-get update -q >&2; sudo apt-get install -q -y hello-example >&2; hello-example",
    ];
    expect(await guest.run(apt.join("; "))).toBe("installed by apt\n");
    const targets = ["udp:web.example.org:7", `udp:${OTHER}:7`, "tcp:other.example.org:443"];
    expect(await guest.reach(...targets)).toEqual(all(targets, "reached"));
  });

  it("is refused at once by its host, private networks, metadata and slots", async () => {
    await guest.setPolicy(OPEN);
    const range = await slotRange();
    // The host's by each of its addresses, the router's, and those of slots.
    const hosts = [
      HOST,
      `${range}.1`,
      `${range}.2`,
      ...[16, 17, 18, 19].map((last) => `${range}.${last}`),
      "192.0.0.1",
    ];
    const targets = [
      ...hosts.map((address) => `tcp:${address}:22`),
      ...FORBIDDEN.flatMap((address) => [`tcp:${address}:80`, `udp:${address}:7`]),
    ];
    expect(await guest.reach(...targets)).toEqual(all(targets, "refused"));
    // A public name that leads there has no address.
    expect(await guest.reach("tcp:rebound.example.org:80", "tcp:absent.example.org:80")).toEqual({
      "tcp:rebound.example.org:80": "unknown",
      "tcp:absent.example.org:80": "unknown",
    });
    const denials = await guest.denials();
    for (const address of FORBIDDEN) {
      expect(denials).toContainEqual(
        expect.objectContaining({ address, name: null, protocol: "tcp", port: 80, by: "bounds" }),
      );
    }
  });
});

describe("a guest with an allowlist", () => {
  it("reaches exactly what is on it, and what it was refused is listed by its name", async () => {
    await guest.setPolicy({
      mode: "allowlist",
      allow: [
        { domain: "web.example.org" },
        { domain: "*.packages.example.org", ports: [443] },
        { cidr: `${OTHER}/32`, protocol: "tcp", ports: [7] },
      ],
    });
    const allowed = [
      "tcp:web.example.org:80",
      "tcp:web.example.org:443",
      "tcp:pypi.packages.example.org:443",
      "tcp:deb.packages.example.org:443",
      `tcp:${OTHER}:7`,
    ];
    const denied = [
      "tcp:web.example.org:7",
      "tcp:deb.packages.example.org:80",
      "tcp:git.example.org:443",
      "udp:git.example.org:7",
      `tcp:${OTHER}:80`,
      `udp:${OTHER}:7`,
      "tcp:8.8.8.8:7",
      "tcp:10.9.9.9:80",
      "tcp:169.254.169.254:80",
    ];
    expect(await guest.reach(...allowed, ...denied)).toEqual({ ...all(allowed, "reached"), ...all(denied, "refused") });

    const denials = await guest.denials();
    const listed = (denial: object) => expect(denials).toContainEqual(expect.objectContaining(denial));
    listed({ name: "git.example.org", address: null, protocol: "tcp", port: 443, by: "policy" });
    listed({ name: "git.example.org", address: null, protocol: "udp", port: 7, by: "policy" });
    listed({ name: null, address: OTHER, protocol: "tcp", port: 80, by: "policy" });
    listed({ name: null, address: "10.9.9.9", protocol: "tcp", port: 80, by: "bounds" });
  });

  it("keeps connections that a change still allows, and loses the others", async () => {
    await guest.setPolicy(OPEN);
    const connections = await guest.hold(WEB, OTHER);
    expect(await connections()).toEqual({ [WEB]: "open", [OTHER]: "open" });
    const { connections: counted } = await world.server.ok("GET", `/v1/environments/${guest.id}/network`);
    expect(counted).toMatchObject({ exceeded: 0, limits: { open: 4096, newPerSecond: 200 } });
    for (const count of [counted.tracked, counted.opened]) expect(count).toBeGreaterThanOrEqual(2);
    await guest.setPolicy({ mode: "allowlist", allow: [{ cidr: `${WEB}/32`, ports: [7] }] });
    expect(await connections()).toEqual({ [WEB]: "open", [OTHER]: "ended" });
    await guest.setPolicy({ mode: "allowlist", allow: [{ cidr: `${WEB}/32` }, { domain: "other.example.org" }] });
    expect(await connections()).toMatchObject({ [WEB]: "open" });
    await guest.setPolicy(NONE);
    expect(await connections()).toEqual({ [WEB]: "ended", [OTHER]: "ended" });
    const targets = [`tcp:${WEB}:80`, `udp:${WEB}:7`];
    expect(await guest.reach(...targets)).toEqual(all(targets, "refused"));
  });
});

it("a resumed guest has names and connections as before", async () => {
  await guest.setPolicy({ mode: "allowlist", allow: [{ domain: "web.example.org" }] });
  await world.server.ok("POST", `/v1/environments/${guest.id}/pause`);
  await world.until(guest.id, "paused", "failed");
  await world.server.ok("POST", `/v1/environments/${guest.id}/resume`);
  await world.until(guest.id, "running", "failed");
  expect(await guest.reach("tcp:web.example.org:80", "tcp:git.example.org:443", `tcp:${OTHER}:80`)).toEqual({
    "tcp:web.example.org:80": "reached",
    "tcp:git.example.org:443": "refused",
    [`tcp:${OTHER}:80`]: "refused",
  });
});

it("another environment is out of reach, and a member of the same network answers to its name until one leaves", async () => {
  await guest.setPolicy(NONE);
  const other = await networkedGuest(world, await world.create({ name: "second", ...SIZE, network: NONE }));
  const { server, daemon } = world;
  const join = ({ id }: NetworkedGuest) =>
    server.ok("POST", `/v1/environments/${id}/network/join`, { network: "team" });
  try {
    for (const one of [guest, other]) {
      await one.run("nohup python3 -m http.server 8000 >/dev/null 2>&1 & echo $! >server.pid");
      await poll("its server", async () => (await one.reach("tcp:127.0.0.1:8000"))["tcp:127.0.0.1:8000"] === "reached");
    }
    const range = await slotRange();
    const slots = Array.from({ length: 8 }, (_, at) => `tcp:${range}.${16 + at}:8000`);
    for (const one of [guest, other]) expect(await one.reach(...slots)).toEqual(all(slots, "refused"));
    expect(await guest.reach("tcp:second:8000")).toEqual({ "tcp:second:8000": "unknown" });

    await server.ok("POST", "/v1/networks", { name: "team" });
    for (const one of [guest, other]) await join(one);
    for (const [one, name] of [
      [guest, "second"],
      [guest, "second.team.internal"],
      [other, "first"],
    ] as const) {
      expect(await one.reach(`tcp:${name}:8000`)).toEqual({ [`tcp:${name}:8000`]: "reached" });
    }
    expect(await guest.reach(`tcp:${WEB}:80`)).toEqual({ [`tcp:${WEB}:80`]: "refused" });

    await server.ok("POST", `/v1/environments/${other.id}/network/leave`);
    expect(await guest.reach("tcp:second:8000")).toEqual({ "tcp:second:8000": "unknown" });
    expect(await other.reach(...slots)).toEqual(all(slots, "refused"));

    // A VMM that dies takes its slot and its leg along.
    await join(other);
    const { machines } = await daemon.client.list();
    const machine = machines.find(({ environment }) => environment === other.id);
    process.kill(machine?.pid ?? 0, "SIGKILL");
    await world.until(other.id, "stopped", "failed");
    await poll("its slot to be released", async () => (await daemon.client.listNetworks()).slots.length === 1);
    expect(await guest.reach("tcp:second:8000")).toEqual({ "tcp:second:8000": "unknown" });
  } finally {
    await server.ok("DELETE", `/v1/environments/${other.id}`);
  }
});

/** Hears UDP at port 8001 of every address, and a group's. */
const LISTENER = `import socket
one = socket.socket(type=socket.SOCK_DGRAM)
one.bind(("", 8001))
one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + socket.inet_aton("0.0.0.0"))
while True:
    print(one.recv(64).decode(), flush=True)
`;
const sends = (text: string, ...addresses: readonly string[]): string => `python3 - <<'X'
import socket
one = socket.socket(type=socket.SOCK_DGRAM)
one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for address in ${JSON.stringify(addresses)}:
    try:
        one.sendto(b"${text}", (address, 8001))
    except OSError:
        pass
X`;

it("environments of two owners reach each other by no path", async () => {
  const { server } = world;
  const { token } = await addOwner(server.data, "otherowner1");
  const other = (method: string, path: string, body?: unknown): Promise<Answer> =>
    server.call(method, path, { token, ...(body !== undefined && { body }) });
  const created = await other("POST", "/v1/environments", { name: "private", ...SIZE, network: OPEN });
  expect([created.status, created.text]).toEqual([201, expect.stringContaining('"name":"private"')]);
  const { id } = created.json;
  try {
    const running = await other("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=150000`);
    expect([running.status, running.json.state]).toEqual([200, "running"]);
    const theirs = await networkedGuest(world, id, token);
    await guest.setPolicy(OPEN);
    await server.ok("POST", `/v1/environments/${guest.id}/network/leave`);
    const range = await slotRange();
    const parts = range.split(".").map(Number) as [number, number, number];
    const members = `${parts[0]}.${parts[1]}.${parts[2] + 4}`;
    for (const one of [guest, theirs]) {
      // Another test may have started it.
      await one.run("nohup python3 -m http.server 8000 >/dev/null 2>&1 &");
      await one.run(`nohup python3 -c '${LISTENER}' >heard 2>&1 &`);
      await poll("its servers", async () => {
        await one.run(sends("own", "127.0.0.1"));
        return (await one.run("curl -s http://127.0.0.1:8000/ && cat heard || true")).endsWith("own\n");
      });
    }

    // What is one owner's network is not there for the other, by its name or its id.
    const own = await other("POST", "/v1/networks", { name: "theirs" });
    for (const reference of ["theirs", own.json.id]) {
      const joined = await server.call("POST", `/v1/environments/${guest.id}/network/join`, {
        body: { network: reference },
      });
      const removed = await server.call("DELETE", `/v1/networks/${reference}`);
      for (const { status, json } of [joined, removed]) expect([status, json.code]).toEqual([404, "NETWORK_NOT_FOUND"]);
    }
    const taken = await other("POST", `/v1/environments/${guest.id}/network/join`, { network: "theirs" });
    const left = await other("POST", `/v1/environments/${guest.id}/network/leave`);
    const link = await other("POST", `/v1/environments/${guest.id}/previews/links`, { port: 8000 });
    for (const { status, json } of [taken, left, link])
      expect([status, json.code]).toEqual([404, "ENVIRONMENT_NOT_FOUND"]);

    const everyone = ["255.255.255.255", "192.0.0.255", `${range}.255`, `${members}.255`, "224.0.0.1", "224.0.0.251"];
    const near = Array.from({ length: 8 }, (_, at) => 16 + at);
    const refused = [
      ...near.flatMap((last) => [`tcp:${range}.${last}:8000`, `udp:${range}.${last}:8001`]),
      ...[`${range}.1`, `${range}.2`, "192.0.0.1", HOST].map((address) => `tcp:${address}:8000`),
      ...[HOST, `${range}.1`].map((address) => `tcp:${address}:${server.port}`),
      ...["169.254.169.254", "168.63.129.16"].map((address) => `tcp:${address}:80`),
    ];
    const byAddress = near.map((last) => `tcp:${members}.${last}:8000`);
    const unknown = async (one: NetworkedGuest, name: string, otherId: string): Promise<void> => {
      const names = [name, `${name}.theirs.internal`, `${name}.alike.internal`, `8000-${otherId}.localhost`];
      const targets = names.map((each) => `tcp:${each}:8000`);
      expect(await one.reach(...targets)).toEqual(all(targets, "unknown"));
    };
    for (const [one, text] of [
      [guest, "ours"],
      [theirs, "theirs"],
    ] as const) {
      await one.run(sends(text, ...everyone, ...near.map((last) => `${range}.${last}`)));
      expect(await one.reach(...refused, ...byAddress)).toEqual(all([...refused, ...byAddress], "refused"));
    }
    await unknown(guest, "private", id);
    await unknown(theirs, "first", guest.id);

    // Each in a network of its own, which are called alike.
    await server.ok("POST", "/v1/networks", { name: "alike" });
    await server.ok("POST", `/v1/environments/${guest.id}/network/join`, { network: "alike" });
    expect((await other("POST", "/v1/networks", { name: "alike" })).status).toBe(201);
    expect((await other("POST", `/v1/environments/${id}/network/join`, { network: "alike" })).status).toBe(200);
    const addressIn = ({ networks }: { networks: SharedNetwork[] }): string =>
      `tcp:${networks.find(({ name }) => name === "alike")?.members[0]?.address}:8000`;
    const ours = addressIn(await server.ok("GET", "/v1/networks"));
    const others = addressIn((await other("GET", "/v1/networks")).json);
    // Nobody in its own network has the other's address, and so nothing answers.
    expect(await guest.reach(ours, others)).toEqual({ [ours]: "reached", [others]: "hung" });
    expect(await theirs.reach(ours, others)).toEqual({ [ours]: "hung", [others]: "reached" });
    await guest.run(sends("ours", ...everyone));
    await theirs.run(sends("theirs", ...everyone));
    await unknown(guest, "private", id);
    await unknown(theirs, "first", guest.id);
    for (const [one, text] of [
      [guest, "theirs"],
      [theirs, "ours"],
    ] as const) {
      expect(await one.run("cat heard")).not.toContain(text);
    }
  } finally {
    expect((await other("DELETE", `/v1/environments/${id}`)).json.left).toEqual([]);
    await server.ok("POST", `/v1/environments/${guest.id}/network/leave`);
    await server.call("DELETE", "/v1/networks/alike");
    for (const name of ["theirs", "alike"]) await other("DELETE", `/v1/networks/${name}`);
  }
});
