/** What one server of a fleet records is the others' as well, however it ends. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { type Answer, poll, startServer, type TestServer } from "../../support/server.ts";
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

const cast = async (server: TestServer, id: string, terminal: string) =>
  castOf(await server.call("GET", `${base(id, terminal)}/content`));

function castOf({ text, headers }: Pick<Answer, "text" | "headers">) {
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

it("waits for a database that is away, and says what is missing where there was too much to wait with", async () => {
  const own = await openFleet();
  onTestFinished(async () => expect(await own.dispose()).toEqual([]));
  const server = await own.start();
  const { id } = await server.environment("outage");
  const terminal = await openTerminal(
    server,
    id,
    "stty -onlcr -echo; printf ready; while read n; do seq $n; echo so $n; done",
  );
  await server.ok("PUT", base(id, terminal), { enabled: true });
  const print = async (lines: number) => {
    const client = new TerminalClient(server, id, terminal, { from: null });
    await client.opened();
    client.type(`${lines}\n`);
    return client;
  };
  const back = () => poll("the database", async () => (await server.call("GET", "/readyz")).status === 200);
  const castNow = async () => {
    const answer = await server.call("GET", `${base(id, terminal)}/content`);
    // A connection that the crash has cut may be found out only by who uses it next.
    return answer.json?.code === "DATABASE_UNAVAILABLE" ? null : castOf(answer);
  };
  const recorded = async (text: string) => {
    let found = await castNow();
    await poll(text, async () => {
      found = await castNow();
      return found?.output.includes(`\n${text}\n`) === true;
    });
    return found as ReturnType<typeof castOf>;
  };

  const short = await print(5);
  await short.until("so 5");
  await own.cluster.crash();
  short.type("6\n");
  await short.until("so 6");
  await own.cluster.start();
  await back();
  const whole = await recorded("so 6");
  expect(whole.marked).toEqual([]);
  expect(whole.output).toContain("so 5\n1\n2\n3\n4\n5\n6\nso 6\n");

  const long = await print(7);
  await long.until("so 7");
  await own.cluster.crash();
  for (const lines of [400_000, 400_001]) {
    long.type(`${lines}\n`);
    await long.until(`so ${lines}`);
  }
  await own.cluster.start();
  await back();
  // What is printed before it goes on is in it as a screen, and not as it was printed.
  let cut: Awaited<ReturnType<typeof castNow>> = null;
  await poll("the recording to go on", async () => {
    const client = await print(8);
    await client.until("so 8");
    await client.close();
    await delay(500);
    cut = await castNow();
    return cut?.output.includes("\nso 8\n") === true;
  });
  expect(cut).toMatchObject({ marked: ["output is missing here"] });
  expect(await server.ok("GET", base(id, terminal))).toMatchObject({ enabled: true, isFull: false });
});

it("goes with its environment, with all its bytes", async () => {
  const own = await openFleet();
  onTestFinished(async () => expect(await own.dispose()).toEqual([]));
  const [a, b] = [await own.start(), await own.start()];
  const { id, terminals } = await a.environment("short");
  await a.ok("PUT", base(id, terminals[0].id), { enabled: true });
  const count = async (table: string) => {
    const client = new pg.Client(own.cluster.url("postgres"));
    await client.connect();
    const { rows } = await client.query(`select count(*)::int as count from ${table}`);
    await client.end();
    return rows[0].count;
  };
  await poll("its chunks", async () => (await count("recording_chunks")) > 0);
  await b.ok("DELETE", `/v1/environments/${id}`);
  await poll("all to be gone", async () => (await count("recording_chunks")) + (await count("recordings")) === 0);
});

it("is in the files of a server that is alone with what a fleet has left", async () => {
  const own = await openFleet();
  onTestFinished(async () => expect(await own.dispose()).toEqual([]));
  const member = await own.start();
  const { id, terminals } = await member.environment("left");
  const [{ id: terminal }] = terminals;
  await member.ok("PUT", base(id, terminal), { enabled: true });
  const client = new TerminalClient(member, id, terminal);
  await client.opened();
  client.type("echo be''fore\n");
  await poll("it", async () => (await cast(member, id, terminal)).output.includes("before"));
  await client.close();
  await member.ok("POST", `/v1/environments/${id}/stop`);
  await poll("its end", async () => (await member.ok("GET", `/v1/environments/${id}`)).state === "stopped");
  const before = await cast(member, id, terminal);
  await member.kill("SIGTERM");
  const alone = await startServer({ data: member.data, env: { DATABASE_URL: own.cluster.url("postgres") } });
  expect(await cast(alone, id, terminal)).toEqual(before);
  expect(existsSync(join(alone.data, `server/recordings/${id}/${terminal}.cast`))).toBe(true);
  expect(await alone.dispose()).toEqual([]);
});
