import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLiveConnections } from "./live-connections.ts";

/** Of a proxy's usual time-out for connections on which nothing comes (nginx: proxy_read_timeout). */
const PROXY_IDLE_MS = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("a connection is asked for a sign of life twice within the time that proxies bear silence", () => {
  const connections = createLiveConnections({ subscribe: () => () => undefined });
  const asked: number[] = [];
  const forget = connections.add({
    identity: { hash: "hash", expiresAt: null, since: performance.now() },
    environment: null,
    close: () => undefined,
    keepAlive: () => void asked.push(Date.now()),
  });
  vi.advanceTimersByTime(10 * PROXY_IDLE_MS);
  const gaps = asked.slice(1).map((time, at) => time - (asked[at] ?? 0));
  expect(gaps.length).toBeGreaterThan(10);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(PROXY_IDLE_MS / 2);
  forget();
  connections.dispose();
});
