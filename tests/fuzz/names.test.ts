/** Names: every byte of a guest's query and of a name server's answer, and what is made of them. */
import { type Answer, encode, type RecordType } from "dns-packet";
import { expect, it } from "vitest";
import { GuestNames } from "../../packages/server/src/names/guest-names.ts";
import {
  MAX_ANSWER_BYTES,
  MAX_UDP_BYTES,
  parseMessage,
  plainName,
} from "../../packages/server/src/names/name-message.ts";
import type { Upstream } from "../../packages/server/src/names/upstream.ts";
import { readUpstream } from "../../packages/server/src/names/upstream-answer.ts";
import { fuzz } from "../../support/fuzz.ts";
import { SECONDS } from "./budget.ts";

const OPTIONS = { timeout: (SECONDS + 120) * 1000 };
const NAME = "www.example.com";
const TYPES = ["A", "AAAA", "MX", "TXT", "SRV", "UNKNOWN_65", "SOA", "PTR"] as RecordType[];
const QUERIES = TYPES.map((type) =>
  encode({ type: "query", id: 258, flags: 0x100, questions: [{ name: NAME, type }] }),
);
const RECORDS: Answer[] = [
  { name: NAME, type: "CNAME", ttl: 60, class: "IN", data: "cdn.example.net" },
  { name: "cdn.example.net", type: "A", ttl: 60, class: "IN", data: "93.184.215.14" },
  { name: NAME, type: "A", ttl: 60, class: "IN", data: "10.0.0.1" },
  { name: NAME, type: "MX", ttl: 60, class: "IN", data: { preference: 1, exchange: "mail.example.com" } },
  { name: NAME, type: "TXT", ttl: 60, class: "IN", data: ["one", "two"] },
  { name: NAME, type: "SRV", ttl: 60, class: "IN", data: { port: 1, target: "a.example.com", priority: 1, weight: 1 } },
];
const ANSWERS = (["A", "MX", "TXT", "SRV"] as const).map((type) =>
  encode({ type: "response", id: 258, flags: 0x180, questions: [{ name: NAME, type }], answers: RECORDS }),
);

it("whatever a guest asks is answered in time, within its bounds, under its id", OPTIONS, async () => {
  const answers: { message: Uint8Array; transport: "udp" | "tcp" }[] = [];
  const upstream: Upstream = {
    active: 0,
    ask: async ({ name, type }) => ({
      exists: true,
      records: type === "A" ? [{ name, type, ttl: 60, class: "IN", data: "93.184.215.14" }] : [],
      ttl: 60,
    }),
  };
  let now = 0;
  const policy = { allows: (name: string) => name.endsWith(".com"), admit: async () => {} };
  const guest = new GuestNames({ policy, upstream, now: () => (now += 1000) });
  const runs = fuzz({
    seeds: QUERIES,
    seconds: SECONDS,
    check(input) {
      const message = input.subarray(0, 1232);
      if (message.length < 12) return "short";
      if (answers.length < 20_000)
        answers.push({ message: Uint8Array.from(message), transport: message.length % 2 === 0 ? "udp" : "tcp" });
      try {
        const { questions = [] } = parseMessage(message);
        return `${questions.length} ${questions[0]?.type} ${plainName(questions[0]?.name ?? "") !== null}`;
      } catch (error) {
        expect(error).toMatchObject({ name: "MessageError" });
        return "refused";
      }
    },
  });
  expect(runs).toBeGreaterThan(1000);
  for (const { message, transport } of answers) {
    const answer = await guest.answer(message, transport);
    expect(answer.length).toBeLessThanOrEqual(transport === "udp" ? MAX_UDP_BYTES : MAX_ANSWER_BYTES);
    expect([answer[0], answer[1], (answer[2] as number) & 0x80]).toEqual([message[0], message[1], 0x80]);
    parseMessage(answer);
  }
});

it("whatever a name server answers is the question's own records with plain names, or nothing", OPTIONS, () => {
  const runs = fuzz({
    seeds: ANSWERS,
    seconds: SECONDS,
    check(input) {
      const kinds = (["A", "MX", "TXT"] as const).map((type) => {
        const reading = readUpstream(input, 258, { name: NAME, type });
        if (reading.kind !== "answer") return reading.kind;
        const { records } = reading.answer;
        expect(records.length).toBeLessThanOrEqual(8 + 64);
        for (const record of records) {
          expect(["CNAME", type]).toContain(record.type);
          expect(plainName(record.name)).not.toBeNull();
          if (record.type === "A") expect(record.data).toMatch(/^\d{1,3}(\.\d{1,3}){3}$/);
        }
        // What was read can be written, and read again as the same.
        const again = encode({ type: "response", id: 258, questions: [{ name: NAME, type }], answers: [...records] });
        expect(readUpstream(again, 258, { name: NAME, type })).toMatchObject({ kind: "answer" });
        return records.map((record) => record.type).join();
      });
      return kinds.join(" ");
    },
  });
  expect(runs).toBeGreaterThan(1000);
});
