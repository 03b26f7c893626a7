import type { NamePolicy } from "@microterm/core";
import { decode, encode, type RecordType } from "dns-packet";
import { expect, it } from "vitest";
import { addressOf, aliasOf, reply, startNameUpstream } from "../../../../support/name-upstream.ts";
import { createCeiling } from "./address-ceiling.ts";
import { GuestNames } from "./guest-names.ts";
import { createUpstream, type Upstream } from "./upstream.ts";

interface Admitted {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/** Allows what ends in `.com`. */
function recordingPolicy(): NamePolicy & { readonly admitted: Admitted[] } {
  const admitted: Admitted[] = [];
  return {
    admitted,
    allows: (name) => name.endsWith(".com"),
    admit: async (name, addresses, ttlSeconds) => {
      admitted.push({ name, addresses, ttlSeconds });
    },
  };
}

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  "www.example.com": ["93.184.215.14"],
  "rebind.example.com": ["10.0.0.1", "93.184.215.15", "169.254.169.254", "127.0.0.1", "100.64.0.1"],
  "inside.example.com": ["192.168.1.1"],
};

async function guest(policy = recordingPolicy(), isBeyondCeiling = createCeiling()) {
  const server = await startNameUpstream(({ name, type }, query) => {
    if (name === "silent.example.com") return [];
    if (name === "alias.example.com") {
      return [reply(query, [aliasOf(name, "www.example.net", 30), addressOf("www.example.net", "93.184.215.14", 40)])];
    }
    if (type === "TXT") return [reply(query, [{ name, type: "TXT", class: "IN", ttl: 60, data: "text" }])];
    const found = ADDRESSES[name];
    if (found === undefined) return [reply(query, [], { code: 3 })];
    return [reply(query, type === "A" ? found.map((address) => addressOf(name, address)) : [])];
  });
  let now = 0;
  const upstream = createUpstream({ servers: () => [server], attemptMs: 200 });
  const names = new GuestNames({ policy, upstream, isBeyondCeiling, now: () => now });
  const ask = async (name: string, type: RecordType | `UNKNOWN_${number}` = "A") => {
    const message = encode({ type: "query", id: 9, flags: 0x100, questions: [{ name, type: type as RecordType }] });
    const { flags = 0, answers = [] } = decode(await names.answer(message, "udp"));
    return { code: flags & 15, data: answers.map((answer) => ("data" in answer ? String(answer.data) : "")) };
  };
  return {
    server,
    policy,
    names,
    ask,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

it("an allowed name is asked for upstream, and let through before it is answered", async () => {
  const { ask, policy, server } = await guest();
  expect(await ask("WWW.example.com")).toEqual({ code: 0, data: ["93.184.215.14"] });
  expect(policy.admitted).toEqual([{ name: "www.example.com", addresses: ["93.184.215.14"], ttlSeconds: 60 }]);
  // Of an alias the addresses are let through for the name that was asked for, and for as long as the shortest record says.
  expect(await ask("alias.example.com")).toEqual({ code: 0, data: ["www.example.net", "93.184.215.14"] });
  expect(policy.admitted[1]).toEqual({ name: "alias.example.com", addresses: ["93.184.215.14"], ttlSeconds: 30 });
  expect(await ask("text.example.com", "TXT")).toMatchObject({ code: 0, data: ["text"] });
  expect(server.asked.map(({ name }) => name)).toEqual(["www.example.com", "alias.example.com", "text.example.com"]);
});

it("an answer waits until its addresses are let through, and fails where they can't be", async () => {
  const events: string[] = [];
  let letThrough = () => {};
  const admit = () => {
    events.push("admitting");
    return new Promise<void>((resolve) => {
      letThrough = resolve;
    });
  };
  const { ask } = await guest({ ...recordingPolicy(), admit });
  const asking = ask("www.example.com").then((answer) => {
    events.push("answered");
    return answer;
  });
  await expect.poll(() => events).toEqual(["admitting"]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(events).toEqual(["admitting"]);
  letThrough();
  expect(await asking).toMatchObject({ code: 0 });
  const failing = await guest({ ...recordingPolicy(), admit: () => Promise.reject(new Error("no")) });
  expect(await failing.ask("www.example.com")).toEqual({ code: 2, data: [] });
});

it("a denied name is not asked for, and its address says which it was", async () => {
  const { ask, names, policy, server } = await guest();
  const { code, data } = await ask("example.org");
  expect([code, data]).toEqual([0, ["198.18.0.1"]]);
  expect(names.denied.nameOf("198.18.0.1")).toBe("example.org");
  expect(await ask("example.org", "TXT")).toEqual({ code: 0, data: [] });
  expect([policy.admitted, server.asked]).toEqual([[], []]);
});

it("addresses that no guest may reach are taken out of every answer", async () => {
  const { ask, policy } = await guest({ ...recordingPolicy(), allows: () => true });
  expect(await ask("rebind.example.com")).toEqual({ code: 0, data: ["93.184.215.15"] });
  expect(await ask("inside.example.com")).toEqual({ code: 0, data: [] });
  expect(policy.admitted.map(({ addresses }) => addresses)).toEqual([["93.184.215.15"]]);
});

it("addresses that the operator lets guests reach stay in answers, and their own names are asked for", async () => {
  const { ask, policy, server } = await guest(
    { ...recordingPolicy(), allows: () => true },
    createCeiling(["192.168.0.0/16", "169.254.0.0/16"]),
  );
  expect(await ask("inside.example.com")).toEqual({ code: 0, data: ["192.168.1.1"] });
  expect(await ask("rebind.example.com")).toEqual({ code: 0, data: ["93.184.215.15"] });
  expect(policy.admitted.map(({ addresses }) => addresses)).toEqual([["192.168.1.1"], ["93.184.215.15"]]);
  await ask("1.1.168.192.in-addr.arpa", "PTR");
  await ask("254.169.254.169.in-addr.arpa", "PTR");
  expect(server.asked.map(({ name }) => name)).toEqual([
    ...["inside.example.com", "rebind.example.com", "1.1.168.192.in-addr.arpa"],
  ]);
});

it("the network's own addresses are in no answer, whatever range around them the operator opens", async () => {
  const isOwn = (address: string) => address.startsWith("192.168.1.");
  const policy = { ...recordingPolicy(), allows: () => true, isOwn };
  const { ask, server } = await guest(policy, createCeiling(["10.0.0.0/8", "192.168.0.0/16"]));
  expect(await ask("inside.example.com")).toEqual({ code: 0, data: [] });
  expect(await ask("rebind.example.com")).toEqual({ code: 0, data: ["10.0.0.1", "93.184.215.15"] });
  expect(policy.admitted.map(({ addresses }) => addresses)).toEqual([["10.0.0.1", "93.184.215.15"]]);
  expect(await ask("1.1.168.192.in-addr.arpa", "PTR")).toEqual({ code: 3, data: [] });
  expect(server.asked.map(({ name }) => name)).toEqual(["inside.example.com", "rebind.example.com"]);
});

it("where nothing is allowed no name costs more than its answer", async () => {
  const members: string[] = [];
  const memberAddress = async (name: string): Promise<null> => {
    members.push(name);
    return null;
  };
  const { ask, server, policy } = await guest({ ...recordingPolicy(), allows: () => false, memberAddress });
  for (let number = 0; number < 50; number += 1) {
    expect(await ask(`n${number}.example.com`)).toEqual({ code: 0, data: [`198.18.0.${number + 1}`] });
  }
  // Asked for again, it has the same one.
  expect(await ask("n0.example.com")).toEqual({ code: 0, data: ["198.18.0.1"] });
  for (const type of ["AAAA", "TXT", "MX"] as const)
    expect(await ask("n0.example.com", type)).toMatchObject({ data: [] });
  expect(await ask("printer.local")).toEqual({ code: 3, data: [] });
  expect(members).toHaveLength(55);
  expect([server.asked, policy.admitted]).toEqual([[], []]);
});

it("names of this host's own network are not asked for under any policy, nor are types that no program needs", async () => {
  const { ask, server } = await guest({ ...recordingPolicy(), allows: () => true });
  for (const name of ["localhost", "printer.local", "metadata.google.internal", "1.0.0.10.in-addr.arpa"]) {
    expect(await ask(name, name.endsWith("arpa") ? "PTR" : "A")).toEqual({ code: 3, data: [] });
  }
  for (const type of ["AAAA", "UNKNOWN_65", "UNKNOWN_64"] as const) {
    expect(await ask("www.example.com", type)).toEqual({ code: 0, data: [] });
  }
  for (const type of ["UNKNOWN_255", "NULL", "AXFR"] as const) {
    expect(await ask("www.example.com", type)).toEqual({ code: 5, data: [] });
  }
  expect(await ask(".", "NS")).toEqual({ code: 5, data: [] });
  expect(server.asked).toEqual([]);
});

it("an answer is remembered for its time, a failure not at all", async () => {
  const { ask, server, pass, policy } = await guest();
  for (let round = 0; round < 3; round += 1) await ask("www.example.com");
  expect(server.asked).toHaveLength(1);
  // Its addresses are let through each time: the policy may have changed in between.
  expect(policy.admitted).toHaveLength(3);
  pass(60_000);
  await ask("www.example.com");
  expect(server.asked).toHaveLength(2);
  expect(await ask("none.example.com")).toEqual({ code: 3, data: [] });
  await ask("none.example.com");
  expect(server.asked).toHaveLength(3);
  expect(await ask("silent.example.com")).toEqual({ code: 2, data: [] });
  const before = server.asked.length;
  expect(await ask("silent.example.com")).toEqual({ code: 2, data: [] });
  expect(server.asked.length).toBeGreaterThan(before);
});

it("the same question at the same time is asked once", async () => {
  const { ask, server } = await guest();
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask("www.example.com")));
  expect(new Set(answers.map(({ data }) => data.join()))).toEqual(new Set(["93.184.215.14"]));
  expect(server.asked).toHaveLength(1);
});

it("a guest that asks faster than its agent would is answered with failures", async () => {
  const { ask, pass } = await guest();
  const codes = await Promise.all(Array.from({ length: 250 }, () => ask("www.example.com")));
  expect(codes.filter(({ code }) => code === 2)).toHaveLength(50);
  pass(10);
  expect(await ask("www.example.com")).toMatchObject({ code: 0 });
  expect(await ask("www.example.com")).toMatchObject({ code: 2 });
});

it("when all guests together ask too much, one that hangs on to many questions gets no more", async () => {
  let active = 0;
  const silent: Upstream = {
    get active() {
      return active;
    },
    ask: () => {
      active += 1;
      return new Promise(() => {});
    },
  };
  const make = () => new GuestNames({ policy: recordingPolicy(), upstream: silent, now: () => 0 });
  const ask = (names: GuestNames, number: number) => {
    const questions = [{ name: `n${number}.example.com`, type: "A" as const }];
    return names.answer(encode({ type: "query", id: 1, questions }), "udp");
  };
  const greedy = make();
  for (let number = 0; number < 100; number += 1) void ask(greedy, number);
  const others = make();
  for (let number = 0; number < 160; number += 1) void ask(others, number);
  await expect.poll(() => active).toBe(256);
  expect((decode(await ask(greedy, 1000)).flags ?? 0) & 15).toBe(2);
  const fresh = make();
  for (let number = 0; number < 8; number += 1) void ask(fresh, number);
  await expect.poll(() => active).toBe(264);
});

it("what is no query is answered with a format error under its id", async () => {
  const { names } = await guest();
  const answer = await names.answer(Buffer.from("1234010000020000000000000000", "hex"), "tcp");
  expect(answer.toString("hex")).toBe("123481810000000000000000");
});

it("members of its network have their addresses under any policy, and are never asked for elsewhere", async () => {
  const policy: NamePolicy = {
    ...recordingPolicy(),
    allows: () => false,
    memberAddress: async (name) => (name === "db" || name === "db.team.internal" ? "10.64.4.1" : null),
  };
  const { ask, server } = await guest({ ...policy, admitted: [] });
  for (const name of ["db", "DB", "db.team.internal"]) {
    expect(await ask(name)).toEqual({ code: 0, data: ["10.64.4.1"] });
  }
  expect(await ask("db", "AAAA")).toEqual({ code: 0, data: [] });
  expect(await ask("db", "TXT")).toEqual({ code: 0, data: [] });
  for (const name of ["web", "web.team.internal"]) expect(await ask(name)).toEqual({ code: 3, data: [] });
  expect(server.asked).toEqual([]);
});

it("an environment that is called localhost has its address under no name that is the guest itself", async () => {
  const policy = { ...recordingPolicy(), memberAddress: async () => "10.64.4.1" };
  const { ask } = await guest(policy);
  for (const name of ["localhost", "LocalHost"]) expect(await ask(name)).toEqual({ code: 3, data: [] });
  expect(await ask("localhost.team.internal")).toEqual({ code: 0, data: ["10.64.4.1"] });
});
