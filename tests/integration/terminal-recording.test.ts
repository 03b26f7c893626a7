import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describeScreen } from "@microterm/screen/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createEmulator } from "../../support/emulator.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

let server: TestServer;
let environment: string;
beforeAll(async () => {
  server = await startServer();
  environment = (await server.environment("recorded")).id;
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

type Event = [interval: number, code: string, data: string];

const base = (terminal: string) => `/v1/environments/${environment}/terminals/${terminal}/recording`;

async function open(): Promise<{ terminal: string; client: TerminalClient }> {
  const command = ["sh", "-c", "stty raw -echo; seq 1 30; printf '\\033[31mbefore '; exec cat"];
  const { id: terminal } = await server.ok("POST", `/v1/environments/${environment}/terminals`, { command });
  const client = new TerminalClient(server, environment, terminal);
  await client.until("before ");
  return { terminal, client };
}

async function cast(
  terminal: string,
): Promise<{ header: { version: number; term: object }; events: Event[]; text: string }> {
  const answer = await server.call("GET", `${base(terminal)}/content`);
  expect(answer.headers["content-type"]).toBe("application/x-asciicast");
  expect(answer.headers["content-disposition"]).toContain("attachment");
  const [header, ...events] = answer.text
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => JSON.parse(line));
  return { header, events, text: answer.text };
}

const type = async (client: TerminalClient, text: string) => {
  client.type(text);
  await client.until(text.slice(-10));
};

function played(events: readonly Event[]) {
  const { terminal, screen } = createEmulator();
  for (const [, code, data] of events) {
    if (code === "o") screen.writeNow(Buffer.from(data));
    else if (code === "r") terminal.resize(...(data.split("x").map(Number) as [number, number]));
  }
  return describeScreen(terminal);
}

it("plays back to the same screen, over the death of the server, and knows when it was off", {
  timeout: 180_000,
}, async () => {
  const { terminal, client } = await open();
  expect(await server.ok("GET", base(terminal))).toMatchObject({
    enabled: false,
    startedAt: null,
    bytes: 0,
    isFull: false,
  });
  expect((await server.call("GET", `${base(terminal)}/content`)).status).toBe(404);
  const on = await server.ok("PUT", base(terminal), { enabled: true });
  expect(on).toMatchObject({ enabled: true, isFull: false, limitBytes: 64 * 1024 * 1024 });
  await type(client, "日本—é 👩 \x1b[4:3mcurly\r\n");
  client.resize(70, 20);
  await type(client, `${"wide ".repeat(40)}first part`);
  await poll("it on disk", async () => (await cast(terminal)).text.includes("first part"));
  await client.close();
  await server.kill("SIGKILL");
  server = await startServer({ data: server.data });
  const again = new TerminalClient(server, environment, terminal, { from: client.offset });
  await again.opened();
  await type(again, "\r\nsecond part");
  await poll("it on disk", async () => (await cast(terminal)).text.includes("second part"));
  const { header, events } = await cast(terminal);
  expect(header).toMatchObject({ version: 3, term: { cols: 80, rows: 24 } });
  expect(events.every(([interval, code]) => interval >= 0 && /^[orxm]$/.test(code))).toBe(true);
  const keyframed = new TerminalClient(server, environment, terminal, { from: null });
  await poll("a keyframe", () => keyframed.keyframes.length === 1);
  const { cols, rows } = keyframed.keyframes[0] ?? {};
  expect([cols, rows]).toEqual([70, 20]);
  const shown = new TerminalClient(server, environment, terminal);
  await shown.until("second part");
  const { terminal: all, screen: whole } = createEmulator();
  const resizedAt = Number((shown.frames.findLast((frame) => frame.endsWith(" 70 20")) ?? "").split(" ")[1]);
  whole.writeNow(shown.bytes.subarray(0, resizedAt));
  all.resize(70, 20);
  whole.writeNow(shown.bytes.subarray(resizedAt));
  expect(played(events)).toEqual(describeScreen(all));

  expect(await server.ok("PUT", base(terminal), { enabled: false })).toMatchObject({ enabled: false });
  await type(again, "this is private");
  expect(await server.ok("PUT", base(terminal), { enabled: true })).toMatchObject({ enabled: true });
  await type(again, "third part");
  await poll("it on disk", async () => (await cast(terminal)).text.includes("third part"));
  for (const one of [again, keyframed, shown]) await one.close();
  await server.ok("DELETE", `/v1/environments/${environment}/terminals/${terminal}`);
  expect((await cast(terminal)).text).toContain("third part");
  expect((await server.call("DELETE", base(terminal))).status).toBe(204);
  expect((await server.call("GET", `${base(terminal)}/content`)).status).toBe(404);
});

it("leaves a terminal alone whose recording cannot be gone on with", { timeout: 180_000 }, async () => {
  const { terminal, client } = await open();
  await server.ok("PUT", base(terminal), { enabled: true });
  await client.close();
  await server.kill("SIGKILL");
  const file = join(server.data, "server/recordings", environment, `${terminal}.cast`);
  rmSync(file);
  mkdirSync(file);
  server = await startServer({ data: server.data });
  const again = await new TerminalClient(server, environment, terminal, { from: client.offset }).opened();
  await type(again, "goes on");
  expect((await server.call("PUT", base(terminal), { body: { enabled: true } })).status).toBe(500);
  rmSync(file, { recursive: true });
  await server.ok("PUT", base(terminal), { enabled: true });
  await type(again, "recorded anew");
  await poll("it on disk", async () => (await cast(terminal)).text.includes("recorded anew"));
  await again.close();
});

it("goes with its environment", async () => {
  const { id, terminals } = await server.environment("short");
  await server.ok("PUT", `/v1/environments/${id}/terminals/${terminals[0].id}/recording`, { enabled: true });
  const folders = ["recordings", "screens"].map((name) => join(server.data, "server", name, id));
  await poll("its files", () => existsSync(folders[0] ?? ""));
  await server.ok("DELETE", `/v1/environments/${id}`);
  await poll("all to be gone", () => !folders.some((folder) => existsSync(folder)));
});

it("refuses what it does not know", async () => {
  const { terminal, client } = await open();
  expect((await server.call("PUT", base(terminal), { body: { enabled: true, secret: 1 } })).status).toBe(400);
  expect((await server.call("PUT", base("nosuch"), { body: { enabled: true } })).status).toBe(404);
  await client.close();
});
