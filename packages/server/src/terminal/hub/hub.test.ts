import { setImmediate as turn } from "node:timers/promises";
import { contentOf } from "@microterm/protocol";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createPrintingAgent } from "../../../../../support/printing-agent.ts";
import { makeTempFolder } from "../../../../../support/temp-folder.ts";
import type { AttachedClient } from "../clients/attached-client.ts";
import { createModelHost } from "../screen/model-host.ts";
import { TerminalHub } from "./hub.ts";

const TIME = { timeout: 60_000 };

const silent: AttachedClient = {
  needs: null,
  behind: 0,
  hasAcknowledged: false,
  graceEndsAt: 0,
  evictedUntil: 0,
  acknowledged: null,
  pump: () => undefined,
  evict: () => undefined,
  notify: () => undefined,
  present: () => undefined,
  isShared: false,
  disconnect: () => undefined,
};
const throwing = (): never => {
  throw new Error("a bug");
};

async function serve(name: string) {
  const guest = createPrintingAgent(name);
  const { terminal, agent } = guest;
  const faults: unknown[] = [];
  const hub = await TerminalHub.open({
    totals: { clients: 0, outputBytes: 0, inputBytes: 0 },
    scrollback: 1000,
    terminal,
    agent,
    models,
    isEnvironmentPaused: async () => false,
    onChange: () => () => undefined,
    path: `${folder.path}/${name}.json`,
    onInput: () => undefined,
    broke: (error) => faults.push(error),
    onOver: () => undefined,
  });
  onTestFinished(() => hub.close({ code: 1000, reason: "" }, false));
  const screen = async () => contentOf((await hub.keyframe(hub.log.end)).frame).toString();
  await expect.poll(() => guest.events()).toBeDefined();
  return { ...guest, hub, faults, screen };
}

const models = createModelHost({ error: () => undefined });
const folder = await makeTempFolder();
afterAll(async () => {
  await models.stop();
  await folder.remove();
});

describe("what is thrown over a terminal costs that terminal alone, when it comes from", () => {
  type Served = Awaited<ReturnType<typeof serve>>;
  const sources: [string, Partial<AttachedClient>, (served: Served) => unknown][] = [
    ["the guest's output", { pump: throwing }, ({ print }) => print("x")],
    ["the guest's size", { pump: throwing }, ({ events }) => events().resized(0n, 90, 30)],
    ["a hole in the output", { pump: throwing }, ({ events }) => events().gap(0n, 5n)],
    ["the end of the program", { pump: throwing }, ({ events }) => events().exited(0n, { code: 0, signal: null })],
    ["what the screen reports", { notify: throwing }, ({ print }) => print("\x07")],
    [
      "the look at who is behind",
      {
        get needs() {
          return throwing();
        },
      },
      ({ print }) => print("y"),
    ],
    ["a client that is disconnected", { pump: throwing, disconnect: throwing }, ({ print }) => print("z")],
  ];

  it.each(sources)("%s", TIME, async (_name, client, act) => {
    const bad = await serve("bad");
    const good = await serve("good");
    good.print("before");
    bad.hub.join(Object.defineProperties({ ...silent }, Object.getOwnPropertyDescriptors(client)), undefined);
    act(bad);
    await expect.poll(() => bad.hub.isOver).toBe(true);
    expect(bad.faults.length).toBeGreaterThan(0);
    await turn();
    good.print(" and after");
    expect(await good.screen()).toContain("before and after");
    expect(good.faults).toEqual([]);
    // A client that comes back gets another.
    const again = await serve("bad");
    again.print("again");
    expect(await again.screen()).toContain("again");
  });
});
