/** What all servers of a fleet depend on goes wrong for a while. */
import { expect, it, onTestFinished } from "vitest";
import { openFleet } from "../../support/fleet.ts";
import { poll, type TestServer } from "../../support/server.ts";
import { openTerminal } from "../../support/sharing.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const MAIN = new URL("../../packages/server/src/main.ts", import.meta.url).pathname;
/** Longer than a peer that says nothing counts as alive. */
const AWAY_MS = 30_000;

async function open() {
  const fleet = await openFleet();
  onTestFinished(async () => expect(await fleet.dispose()).toEqual([]));
  return fleet;
}

it("a database that is away for 30 s costs no server its life, and no terminal a byte", async () => {
  const fleet = await open();
  const [a, b] = [await fleet.start(), await fleet.start()];
  const { id } = await a.environment("held");
  const terminal = await openTerminal(a, id, "stty -echo; cat");
  const [own, through] = [new TerminalClient(a, id, terminal), new TerminalClient(b, id, terminal)];
  await Promise.all([own.opened(), through.opened()]);
  await fleet.cluster.crash();
  const until = Date.now() + AWAY_MS;
  for (let typed = 0; Date.now() < until; typed++) {
    const by = typed % 2 === 0 ? own : through;
    by.type(`while${typed}\n`);
    await Promise.all([own.until(`while${typed}\r\n`), through.until(`while${typed}\r\n`)]);
  }
  for (const server of [a, b]) {
    await poll("it not to be ready", async () => (await server.call("GET", "/readyz")).status === 503);
  }
  await fleet.cluster.start();
  for (const server of [a, b]) {
    await poll("it to be ready", async () => (await server.call("GET", "/readyz")).status === 200);
  }
  // Whoever of them has it now, and with the terminal's programs.
  const last = new TerminalClient(b, id, terminal);
  await last.opened();
  last.type("after\n");
  await last.until("after\r\n");
  expect((await b.environment("later")).state).toBe("running");
  expect((await a.ok("GET", `/v1/environments/${id}`)).state).toBe("running");
  for (const one of [own, through]) expect(one.jumps).toEqual([]);
  await last.close();
});

it("servers whose clocks are an hour off are alive to their peers, and take over from them", async () => {
  const fleet = await open();
  const skewed = (seconds: number) => (args: readonly string[]) => {
    const script = `data:text/javascript,${encodeURIComponent(skewedBy(seconds * 1000))}`;
    return [process.execPath, "--import", script, MAIN, ...args];
  };
  const [a, b] = [await fleet.start(), await fleet.start({ command: skewed(3600) })];
  const [one, other] = [await a.environment("one"), await b.environment("other")];
  const said = async (server: TestServer, id: string): Promise<string> =>
    (await server.ok("POST", `/v1/environments/${id}/exec`, { command: ["echo", "there"] })).stdout;
  for (const server of [a, b]) for (const { id } of [one, other]) expect(await said(server, id)).toBe("there\n");
  process.kill(a.pid, "SIGKILL");
  await poll("the takeover", async () => (await said(b, one.id).catch(() => "")) === "there\n");
  const c = await fleet.start({ command: skewed(-3600) });
  process.kill(b.pid, "SIGKILL");
  for (const { id } of [one, other]) {
    await poll("the takeover", async () => (await said(c, id).catch(() => "")) === "there\n");
  }
});

/** A program that has Node's clock be another than its host's. */
const skewedBy = (ms: number): string => `
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) { given.length === 0 ? super(Real.now() + ${ms}) : super(...given); }
    static now() { return Real.now() + ${ms}; }
  };
`;
