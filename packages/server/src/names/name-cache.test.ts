import { expect, it } from "vitest";
import { NameCache } from "./name-cache.ts";
import type { NameRecord } from "./name-message.ts";
import type { UpstreamAnswer } from "./upstream-answer.ts";

const record = (ttl: number): NameRecord => ({ name: "a.example.com", type: "A", class: "IN", data: "1.1.1.1", ttl });
const answer = (ttl: number): UpstreamAnswer => ({ exists: true, records: [record(ttl)], ttl: 86_400 });

it("an answer lives as long as its records, five minutes at most, and says what is left of that", () => {
  let now = 0;
  const cache = new NameCache(() => now);
  cache.set("short", answer(10));
  cache.set("long", answer(86_400));
  cache.set("absent", { exists: false, records: [], ttl: 5 });
  cache.set("never", { exists: false, records: [], ttl: 0 });
  now = 4_900;
  expect(cache.get("short")?.records[0]?.ttl).toBe(6);
  expect(cache.get("absent")).toMatchObject({ exists: false });
  expect(cache.get("never")).toBeNull();
  now = 10_000;
  expect([cache.get("short"), cache.get("absent")]).toEqual([null, null]);
  now = 299_999;
  expect(cache.get("long")).not.toBeNull();
  now = 300_000;
  expect(cache.get("long")).toBeNull();
});

it("of many answers the latest are kept", () => {
  const cache = new NameCache(() => 0);
  for (let number = 0; number < 1000; number += 1) cache.set(`${number}`, answer(10));
  const kept = Array.from({ length: 1000 }, (_, number) => cache.get(`${number}`)).filter((found) => found !== null);
  expect(kept).toHaveLength(256);
  expect(cache.get("999")).not.toBeNull();
});
