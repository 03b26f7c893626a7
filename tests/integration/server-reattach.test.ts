import type { Machine } from "@microterm/core";
import { runInGuest } from "@microterm/core/testing";
import { createProcessDriver } from "@microterm/drivers";
import { MachineId, TerminalId } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createQuietLog } from "../../support/quiet-log.ts";
import { rustBinary } from "../../support/rust-binaries.ts";
import { poll } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { TerminalClient } from "../../support/terminal-client.ts";
import { serveTerminal } from "../../support/terminal-hub.ts";

const TERMINAL = TerminalId.parse("t1");
let folder: TempFolder;
let machine: Machine;
beforeAll(async () => {
  folder = await makeTempFolder();
  const agentBinary = await rustBinary("microterm-agent");
  const driver = createProcessDriver({ agentBinary, directory: folder.path, log: createQuietLog() });
  const machineId = MachineId.parse("reattach00000000");
  machine = await driver.boot({
    machineId,
    memoryMib: 128,
    cpus: 1,
    diskId: null,
    environmentId: "e",
    network: null,
    limits: null,
  });
});
afterAll(async () => {
  await machine.stop();
  await folder.remove();
});

it("goes on at the very byte after the connection to a living guest broke, again and again", async () => {
  const agent = () => machine.agent({ timeoutMs: 60_000 });
  const script = "stty -onlcr -echo; seq 1 200000; echo MIDDLE; while read line; do echo got $line; done";
  const terminal = await (await agent()).openTerminal({
    id: TERMINAL,
    cols: 80,
    rows: 24,
    command: ["sh", "-c", script],
  });
  const client = new TerminalClient(await serveTerminal(terminal, agent), "e", "t1");
  let breaks = 0;
  const breaker = setInterval(() => {
    breaks += 1;
    void agent().then((current) => current.close());
  }, 15);
  await client.until("MIDDLE");
  await poll("ten breaks", () => breaks >= 10);
  clearInterval(breaker);
  client.type("after\n");
  await client.until("got after");
  expect(client.jumps).toEqual([]);
  const expected = `${Array.from({ length: 200_000 }, (_, index) => index + 1).join("\n")}\nMIDDLE\ngot after\n`;
  expect(client.text === expected).toBe(true);
  expect(client.frames.filter((frame) => frame.startsWith("RESIZE"))).toEqual(["RESIZE 0 80 24"]);
  await client.close();
});

it("types once what was typed while the connection to the guest broke, whatever its program had read by then", async () => {
  const agent = () => machine.agent({ timeoutMs: 60_000 });
  const length = 300_000;
  const script = `stty raw -echo; printf ready; while [ ! -e go ]; do sleep 0.02; done; head -c ${length} | cksum; rm go`;
  const terminal = await (await agent()).openTerminal({
    ...{ id: TerminalId.parse("t2"), cols: 80, rows: 24 },
    command: ["sh", "-c", script],
  });
  const client = new TerminalClient(await serveTerminal(terminal, agent), "e", "t2");
  await client.until("ready");
  const typed = Array.from({ length: length / 1000 }, (_, index) =>
    `${index}`.padStart(6, "-").repeat(167).slice(0, 1000),
  );
  for (const [index, piece] of typed.entries()) {
    client.type(piece);
    // Each of them cuts input that the agent has and its terminal does not.
    if (index % 40 === 20) (await agent()).close();
    if (index % 40 === 30) await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await poll("a whole connection", () =>
    agent().then((current) =>
      current.ping().then(
        () => true,
        () => false,
      ),
    ),
  );
  await runInGuest(await agent(), ["touch", "go"]);
  const { stdout } = await runInGuest(await agent(), ["cksum"], Buffer.from(typed.join("")));
  expect(stdout).toContain(` ${length}`);
  await client.until(stdout.trim());
  expect(client.frames.filter((frame) => frame.startsWith("NOTICE"))).toEqual([]);
  await client.close();
});
