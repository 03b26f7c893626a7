/** What one server of a fleet records is the others' as well, however it ends. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { poll, type TestServer } from "../../support/server.ts";
import { openTerminal } from "../../support/sharing.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

/** Counts for as long as it lives. */
const COUNT = "stty -onlcr -echo; i=0; while :; do i=$((i + 1)); echo $i; sleep 0.005; done";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await openFleet();
});
afterAll(async () => {
  expect(await fleet?.dispose()).toEqual([]);
});

const base = (id: string, terminal: string) => `/v1/environments/${id}/terminals/${terminal}/recording`;

async function cast(server: TestServer, id: string, terminal: string) {
  const { text, headers } = await server.call("GET", `${base(id, terminal)}/content`);
  expect(headers["content-length"]).toBe(`${Buffer.byteLength(text)}`);
  // Each line is one of an asciicast, or this throws.
  const lines = text.trimEnd().split("\n");
  const [header, ...events] = lines.filter((line) => !line.startsWith("#")).map((line) => JSON.parse(line));
  expect(header).toMatchObject({ version: 3 });
  const marked = events.flatMap(([, code, data]) => (code === "m" ? [data] : []));
  return { text, marked, output: events.flatMap(([, code, data]) => (code === "o" ? [data] : [])).join("") };
}

it("goes on at the next server at the exact byte, after a kill and after an end in order, and is every server's", async () => {
  const [a, b] = [await fleet.start(), await fleet.start()];
  const { id } = await a.environment("held");
  const terminal = await openTerminal(a, id, COUNT);
  const client = new TerminalClient(a, id, terminal);
  await client.until("\n10\n");
  expect(await b.ok("PUT", base(id, terminal), { enabled: true })).toMatchObject({ enabled: true });
  await poll("a part of it", async () => (await b.ok("GET", base(id, terminal))).bytes > 5_000);
  let last: TestServer = a;
  for (const [signal, next] of [
    ["SIGKILL", b],
    ["SIGTERM", await fleet.start()],
  ] as const) {
    const before = await cast(next, id, terminal);
    await last.kill(signal);
    if (signal === "SIGKILL") expect((await cast(next, id, terminal)).text.startsWith(before.text)).toBe(true);
    // Nobody looks at the terminal.
    await poll("more of it", async () => {
      const found = await next.call("GET", base(id, terminal));
      return found.status === 200 && found.json.bytes > Buffer.byteLength(before.text) + 10_000;
    });
    expect((await cast(next, id, terminal)).text.startsWith(before.text)).toBe(true);
    last = b;
  }
  const [c, d] = [await fleet.start(), await fleet.start()];
  const off = await c.ok("PUT", base(id, terminal), { enabled: false });
  expect(off).toMatchObject({ enabled: false, isFull: false });
  expect(await d.ok("GET", base(id, terminal))).toEqual(off);
  const [one, other] = await Promise.all([c, d].map((server) => cast(server, id, terminal)));
  expect(other).toEqual(one);
  expect(one?.marked).toEqual([]);
  // It began with the screen as it was.
  const output = one?.output ?? "";
  const numbers = output.slice(output.indexOf("\n200\n")).split("\n").slice(1, -1).map(Number);
  expect(numbers.length).toBeGreaterThan(500);
  expect(numbers).toEqual(numbers.map((_, at) => at + 200));

  expect((await d.ok("GET", "/v1/quota")).used.recordingsMib).toBe(1);
  await c.ok("DELETE", base(id, terminal));
  expect((await d.call("GET", `${base(id, terminal)}/content`)).status).toBe(404);
  expect((await d.ok("GET", "/v1/quota")).used.recordingsMib).toBe(0);
});
