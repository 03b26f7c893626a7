import { type Answer, decode, encode } from "dns-packet";
import { expect, it } from "vitest";
import {
  addressOf,
  aliasOf,
  type NameUpstream,
  type Reaction,
  reply,
  startNameUpstream,
} from "../../../../support/name-upstream.ts";
import type { Question } from "./name-message.ts";
import { createUpstream, NoAnswer } from "./upstream.ts";

const QUESTION: Question = { name: "www.example.com", type: "A" };
const GOOD = addressOf("www.example.com", "93.184.215.14");
/** So short that a test of a server that hangs takes no seconds, and long enough for a loopback on a busy host. */
const ATTEMPT_MS = 400;

const ask = (servers: readonly NameUpstream[], question = QUESTION) =>
  createUpstream({ servers: () => servers, attemptMs: ATTEMPT_MS }).ask(question);
const dataOf = (records: readonly Answer[]) => records.map((record) => ("data" in record ? record.data : null));

it("a question is asked by UDP, and what is too long for that by TCP", async () => {
  const server = await startNameUpstream(({ transport }, query) => [
    transport === "udp" ? reply(query, [], { flags: 0x200 }) : reply(query, [GOOD]),
  ]);
  const { exists, records } = await ask([server]);
  expect([exists, dataOf(records)]).toEqual([true, ["93.184.215.14"]]);
  expect(server.asked.map(({ transport }) => transport)).toEqual(["udp", "tcp"]);
});

it("ids are drawn, and each question comes from a port of its own", async () => {
  const server = await startNameUpstream((_, query) => [reply(query, [GOOD])]);
  for (let number = 0; number < 32; number += 1) await ask([server]);
  expect(new Set(server.asked.map(({ id }) => id)).size).toBeGreaterThan(28);
});

function changed(message: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(message);
  change(copy);
  return copy;
}

const withId = (message: Buffer, id: number): Buffer => changed(message, (bytes) => bytes.writeUInt16BE(id, 0));
/** The first letter of the question's name is another. */
const renamed = (message: Buffer): Buffer => changed(message, (bytes) => bytes.write("x", 13));
/** The name of the question is www.example.com. */
const QUESTION_END = 12 + "3www7example3com0".length + 4;

const LIES: readonly (readonly [string, (good: Buffer) => Reaction])[] = [
  [
    "another id",
    (good) => [withId(good, decode(good).id ?? 0), withId(good, ((decode(good).id ?? 0) + 1) & 0xffff)].slice(1),
  ],
  ["another port", (good) => [{ fromAnotherPort: good }]],
  ["another question's name", (good) => [renamed(good)]],
  ["a query", (good) => [changed(good, (bytes) => bytes.writeUInt8(bytes.readUInt8(2) & 0x7f, 2))]],
  ["another class", (good) => [changed(good, (bytes) => bytes.writeUInt16BE(3, QUESTION_END - 2))]],
  ["another type", (good) => [changed(good, (bytes) => bytes.writeUInt16BE(16, QUESTION_END - 4))]],
  ["a message cut short", (good) => [good.subarray(0, good.length - 3)]],
  ["noise", () => [Buffer.alloc(3), Buffer.alloc(100, 0xff)]],
  ["no question", (good) => [changed(good, (bytes) => bytes.writeUInt16BE(0, 4))]],
];

it.each(LIES)("an answer with %s is none, and the next one is taken", async (_name, lie) => {
  const evil = addressOf("www.example.com", "6.6.6.6");
  const server = await startNameUpstream((_, query) => [...lie(reply(query, [evil])), reply(query, [GOOD])]);
  expect(dataOf((await ask([server])).records)).toEqual(["93.184.215.14"]);
});

it("a server that hangs, refuses, fails or is not there is followed by the next", async () => {
  const [silent, refusing, failing, gone] = await Promise.all([
    startNameUpstream(() => []),
    startNameUpstream((_, query) => [reply(query, [], { code: 5 })]),
    startNameUpstream((_, query) => [reply(query, [], { code: 2 })]),
    startNameUpstream(() => []),
  ]);
  await gone.close();
  const good = await startNameUpstream((_, query) => [reply(query, [GOOD])]);
  for (const first of [silent, refusing, failing, gone]) {
    expect(dataOf((await ask([first, good])).records)).toEqual(["93.184.215.14"]);
  }
});

it("when none answers the question ends with an error, also among floods of wrong answers", async () => {
  const silent = await startNameUpstream(() => []);
  const flood = await startNameUpstream((_, query) =>
    Array.from({ length: 200 }, () => withId(reply(query, [GOOD]), (query.id ?? 0) ^ 1)),
  );
  const hangs = await startNameUpstream(({ transport }, query) =>
    transport === "udp" ? [reply(query, [], { flags: 0x200 })] : [],
  );
  for (const server of [silent, flood, hangs]) await expect(ask([server])).rejects.toBeInstanceOf(NoAnswer);
  expect(silent.asked).toHaveLength(2);
  await expect(ask([])).rejects.toBeInstanceOf(NoAnswer);
});

it("aliases are followed to the records, and nothing else of an answer is taken", async () => {
  const server = await startNameUpstream((_, query) => [
    reply(query, [
      addressOf("unasked.example.com", "6.6.6.6"),
      aliasOf("WWW.example.com", "cdn.example.net"),
      addressOf("b.example.net", "1.2.3.4"),
      aliasOf("cdn.example.net", "b.example.net"),
      addressOf("www.example.com", "6.6.6.7"),
    ]),
  ]);
  expect(dataOf((await ask([server])).records)).toEqual(["cdn.example.net", "b.example.net", "1.2.3.4"]);
});

it("aliases that lead round in a circle end as a failure", async () => {
  const server = await startNameUpstream((_, query) => [
    reply(query, [aliasOf("www.example.com", "a.example.com"), aliasOf("a.example.com", "www.example.com"), GOOD]),
  ]);
  await expect(ask([server])).rejects.toBeInstanceOf(NoAnswer);
});

it("of a thousand addresses some are taken", async () => {
  const many = Array.from({ length: 1000 }, (_, number) =>
    addressOf("www.example.com", `93.184.${number >> 8}.${number & 255}`),
  );
  const server = await startNameUpstream(({ transport }, query) => [
    transport === "udp" ? reply(query, [], { flags: 0x200 }) : reply(query, many),
  ]);
  expect((await ask([server])).records).toHaveLength(64);
});

it("what is not there is remembered for no longer than half a minute", async () => {
  const soa = (ttl: number, minimum: number): Answer => ({
    ...{ name: "example.com", type: "SOA", class: "IN", ttl },
    data: { mname: "ns.example.com", rname: "root.example.com", serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
  });
  for (const [code, ttl, minimum, expected] of [
    [3, 3600, 10, 10],
    [3, 7, 3600, 7],
    [0, 3600, 3600, 30],
  ] as const) {
    const server = await startNameUpstream((_, { id, questions }) => [
      encode({ type: "response", id, flags: 0x180 | code, questions, authorities: [soa(ttl, minimum)] }),
    ]);
    expect(await ask([server])).toEqual({ exists: code === 0, records: [], ttl: expected });
  }
});
