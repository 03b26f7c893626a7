import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { MAX_FRAME_PAYLOAD, MAX_UNACKNOWLEDGED } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import {
  CHECK_MS,
  CLIENT_GRACE_MS,
  CLIENT_WINDOW_BYTES,
  CLIENT_WINDOW_WHILE_INPUT_WAITS_BYTES,
  DISCONNECTED_ALONE_MS,
  DISCONNECTED_MS,
  EVICTED_MS,
  IDLE_MS,
  INPUT_HIGH_WATER_BYTES,
  INPUT_RETRY_MS,
  LOG_ITEM_BYTES,
  LOG_RECENT_BYTES,
  MAX_INPUT_BYTES,
  MAX_INPUT_RETRY_MS,
  MAX_LOG_BYTES,
  MAX_PAUSE_MS,
  MAX_REATTACH_DELAY_MS,
  MAX_UNPARSED_BYTES,
  MAX_UNWRITTEN_BYTES,
  PAUSE_BEHIND_BYTES,
  PAUSE_MS,
  PAUSE_UNACKNOWLEDGED_BYTES,
  REATTACH_DELAY_MS,
  REATTACH_TIMEOUT_MS,
  RESUME_BEHIND_BYTES,
  RESUME_UNACKNOWLEDGED_BYTES,
  SOCKET_HIGH_WATER_BYTES,
} from "./flow-limits.ts";

const agent = resolve(import.meta.dirname, "../../../../../rust/agent/src");
const sources = globSync("**/*.rs", { cwd: agent }).map((file) => readFileSync(join(agent, file), "utf8"));
const VALUE = /^(?:Duration::from_(secs|millis)\(([\d_]+)\)|([\d_]+)(?: << (\d+))?)$/;

/** A constant of the agent's, by its name: bytes, or ms. */
function agentConstant(name: string): number {
  const declaration = new RegExp(String.raw`\bconst ${name}: \w+ = ([^;]+);`, "g");
  const found = sources.flatMap((source) => [...source.matchAll(declaration)].map(([, value = ""]) => value));
  expect(found, `the agent's ${name}`).toHaveLength(1);
  const [, unit, time, number, shift = "0"] = VALUE.exec(found[0] ?? "") ?? [];
  const count = Number((time ?? number ?? "0").replaceAll("_", ""));
  const value = unit === undefined ? count << Number(shift) : count * (unit === "secs" ? 1000 : 1);
  expect(value, `the agent's ${name} = ${found[0]}`).toBeGreaterThan(0);
  return value;
}

const RING_BYTES = agentConstant("RING_BYTES");
const IN_FLIGHT_BYTES = agentConstant("IN_FLIGHT_BYTES");
const STALLED_READER_MS = agentConstant("STALLED_READER_TIMEOUT");
const NO_READER_MS = agentConstant("NO_READER_TIMEOUT");
const STREAM_WINDOW_BYTES = agentConstant("STREAM_WINDOW_BYTES");
/** What a timer may be late by. */
const LATE_MS = 500;

describe("the limits of a terminal's flow", () => {
  it("leave the guest before its agent gives bytes up", () => {
    // What is late is found at the next check.
    expect(PAUSE_MS + CHECK_MS + LATE_MS).toBeLessThan(STALLED_READER_MS);
    expect(DISCONNECTED_MS + CHECK_MS + LATE_MS).toBeLessThan(STALLED_READER_MS);
    // The stream is left after PAUSE_MS, and from then on the agent waits for a reader.
    expect(MAX_PAUSE_MS + CHECK_MS + LATE_MS).toBeLessThan(PAUSE_MS + NO_READER_MS);
    expect(DISCONNECTED_ALONE_MS).toBeLessThan(MAX_PAUSE_MS);
    expect(DISCONNECTED_ALONE_MS).toBeLessThan(NO_READER_MS);
    expect(DISCONNECTED_MS).toBeLessThan(DISCONNECTED_ALONE_MS);
  });

  it("keep in the agent's ring what a client has not acknowledged when the server dies", () => {
    // One piece of output may be read past the limit before the guest is paused, and a stream's window behind it is on its way.
    const read = Number(PAUSE_UNACKNOWLEDGED_BYTES) + MAX_FRAME_PAYLOAD + STREAM_WINDOW_BYTES;
    expect(read).toBeLessThanOrEqual(IN_FLIGHT_BYTES);
    expect(IN_FLIGHT_BYTES).toBeLessThan(RING_BYTES);
    expect(MAX_UNACKNOWLEDGED).toBeLessThan(IN_FLIGHT_BYTES);
  });

  it("pause a guest before its clients' windows are full, and read on before these are empty", () => {
    expect(Number(PAUSE_UNACKNOWLEDGED_BYTES)).toBeLessThan(CLIENT_WINDOW_BYTES);
    expect(RESUME_UNACKNOWLEDGED_BYTES).toBeLessThan(PAUSE_UNACKNOWLEDGED_BYTES);
    expect(RESUME_BEHIND_BYTES).toBeLessThan(PAUSE_BEHIND_BYTES);
    // A client acknowledges in steps of an eighth of its window at most.
    expect(Number(RESUME_UNACKNOWLEDGED_BYTES)).toBeGreaterThan(MAX_UNACKNOWLEDGED / 8);
  });

  it("promise a client no more than the protocol does", () => {
    expect(CLIENT_WINDOW_BYTES + MAX_FRAME_PAYLOAD).toBe(MAX_UNACKNOWLEDGED);
    expect(CLIENT_WINDOW_WHILE_INPUT_WAITS_BYTES).toBeGreaterThan(MAX_LOG_BYTES);
    expect(SOCKET_HIGH_WATER_BYTES).toBeGreaterThanOrEqual(CLIENT_WINDOW_BYTES);
    // One that comes back has its grace for longer than the guest is paused for it, and once evicted is not waited for meanwhile.
    expect(CLIENT_GRACE_MS).toBeGreaterThan(PAUSE_MS);
    expect(EVICTED_MS).toBeGreaterThan(CLIENT_GRACE_MS);
  });

  it("let the log hold what the guest is paused at, and no more than the guest does", () => {
    expect(MAX_LOG_BYTES).toBe(RING_BYTES);
    expect(PAUSE_BEHIND_BYTES + LOG_ITEM_BYTES + MAX_FRAME_PAYLOAD).toBeLessThan(MAX_LOG_BYTES);
    expect(LOG_RECENT_BYTES).toBeLessThanOrEqual(RESUME_BEHIND_BYTES);
    for (const waiting of [MAX_UNPARSED_BYTES, MAX_UNWRITTEN_BYTES]) {
      expect(waiting).toBeGreaterThan(MAX_FRAME_PAYLOAD);
      expect(waiting).toBeLessThan(MAX_LOG_BYTES);
    }
    expect(IDLE_MS).toBeGreaterThan(CHECK_MS);
  });

  it("stop a client that types before its input is refused", () => {
    expect(INPUT_HIGH_WATER_BYTES + MAX_FRAME_PAYLOAD).toBeLessThan(MAX_INPUT_BYTES);
    expect(INPUT_RETRY_MS).toBeLessThan(MAX_INPUT_RETRY_MS);
    expect(REATTACH_DELAY_MS).toBeLessThan(MAX_REATTACH_DELAY_MS);
    // A guest that answers again in time finds its reader, and no byte was given up.
    expect(REATTACH_TIMEOUT_MS).toBeLessThanOrEqual(NO_READER_MS);
  });
});
