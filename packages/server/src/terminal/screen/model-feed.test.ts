import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { OutputLog } from "../hub/output-log.ts";
import { ModelFeed } from "./model-feed.ts";
import { createModelHost, type ModelHost } from "./model-host.ts";
import { openModel } from "./open-model.ts";

const TIME = { timeout: 240_000 };
const SMALL = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 2 };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "microterm-feed-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A terminal that prints what the test says. */
async function terminal(host: ModelHost, path: string) {
  const seen: string[] = [];
  const request = { path, scrollback: 1000, cols: 80, rows: 24, createdUnixMs: 1, start: 0n, end: 0n, liveFrom: 0n };
  const opened = await openModel(host, request);
  const log = new OutputLog(opened.start.from, opened.start.size ?? { cols: 80, rows: 24 });
  const feed = new ModelFeed({
    log,
    terminal: "t-1" as never,
    agent: () => Promise.reject(new Error("no guest here")),
    host,
    request,
    opened,
    notified: () => undefined,
    replied: () => undefined,
    progressed: () => undefined,
    cut: () => seen.push("cut"),
    blanked: () => seen.push("blanked"),
    broke: (error) => seen.push(`broke: ${error}`),
  });
  feed.begin();
  onTestFinished(() => feed.close(false));
  const print = (text: string): void => {
    log.output(log.end, new TextEncoder().encode(text));
    log.trim(feed.needs ?? log.next);
    feed.pump();
  };
  const resize = (cols: number, rows: number): void => {
    log.resized(log.end, { cols, rows });
    feed.pump();
  };
  const text = async () => new TextDecoder().decode((await feed.capture(log.end)).screen.content);
  return { feed, log, seen, print, resize, text };
}

const heavy = `${"\x1b]8;;http://x\x07e\u0301\x1b]8;;\x07".repeat(900)}\r\n`;

it(
  "serves who asks while there is no worker, and after two deaths does without the screen that killed it",
  TIME,
  async () => {
    const path = folder();
    const errors: string[] = [];
    const opening: Promise<Awaited<ReturnType<typeof terminal>>>[] = [];
    const asked: Promise<string>[] = [];
    const host = createModelHost(
      {
        error: (_, message) => {
          errors.push(message);
          // Reported at the worker's end, or just before: there is none for a while.
          asked.push(good.text());
          setImmediate(() => {
            asked.push(good.text());
            opening.push(terminal(host, join(path, `new-${opening.length}.json`)));
          });
        },
      },
      { limits: SMALL },
    );
    onTestFinished(() => host.stop());
    const good = await terminal(host, join(path, "good.json"));
    const bad = await terminal(host, join(path, "bad.json"));
    good.print("still here");
    expect(await good.text()).toContain("still here");
    bad.resize(1000, 1000);
    const deadline = Date.now() + 180_000;
    while (!bad.feed.isBlank && Date.now() < deadline) {
      bad.print(heavy);
      // Timers run on: nothing of it spins.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(bad.feed.isBlank).toBe(true);
    for (const text of await Promise.all(asked)) expect(text).toContain("still here");
    for (const late of await Promise.all(opening)) {
      late.print("late");
      expect(await late.text()).toContain("late");
    }
    const deaths = errors.length;
    for (let i = 0; i < 300; i++) bad.print(heavy);
    expect((await bad.text()).includes("http")).toBe(false);
    expect((await bad.feed.capture(bad.log.end)).offset).toBe(bad.log.end);
    expect([bad.seen[0], bad.seen.filter((what) => what === "blanked")]).toEqual(["cut", ["blanked"]]);
    expect(await good.text()).toContain("still here");
    expect(errors.length).toBe(deaths);
  },
);

it("counts of 2^31 delay no other terminal", TIME, async () => {
  const errors: string[] = [];
  const host = createModelHost({ error: (_, message) => errors.push(message) });
  onTestFinished(() => host.stop());
  const path = folder();
  const one = await terminal(host, join(path, "one.json"));
  one.print([..."SLMTbIZ@PXABCDEFGdea`"].map((final) => `x\x1b[2147483647${final}`).join(""));
  one.print("\x1b[Hdone");
  expect(await one.text()).toContain("done");
  expect(errors).toEqual([]);
});

it("a screen that is slow to draw is given up in parts, and the rest goes on", TIME, async () => {
  const errors: string[] = [];
  const host = createModelHost({ error: (_, message) => errors.push(message) });
  onTestFinished(() => host.stop());
  const path = folder();
  const [slow, other] = [await terminal(host, join(path, "a.json")), await terminal(host, join(path, "b.json"))];
  slow.resize(1000, 1000);
  slow.print("\x1b#8\x1b[2J".repeat(9000));
  await slow.text();
  // In a message of its own.
  slow.print("\x1b[2J\x1b[Hdone");
  other.print("other");
  expect(await other.text()).toContain("other");
  expect((await slow.text()).includes("done")).toBe(true);
  expect(errors).toEqual([]);
});
