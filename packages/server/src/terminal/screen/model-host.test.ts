import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TerminalEvent } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import {
  createModelHost,
  type Model,
  type ModelHost,
  type ModelHostOptions,
  type ModelRequest,
  type ModelStart,
} from "./model-host.ts";

const TIME = { timeout: 120_000 };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "microterm-model-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function hostOf(options?: ModelHostOptions): ModelHost {
  const host = createModelHost({ error: () => undefined }, options);
  onTestFinished(() => host.stop());
  return host;
}

interface Opened {
  readonly model: Model;
  readonly replies: string[];
  readonly events: TerminalEvent[];
  readonly opened: Promise<ModelStart>;
  readonly lost: Promise<void>;
}

function open(host: ModelHost, path: string, request: Partial<ModelRequest> = {}): Opened {
  const replies: string[] = [];
  const events: TerminalEvent[] = [];
  const lost = Promise.withResolvers<void>();
  const model = host.open({
    path,
    createdUnixMs: 1,
    start: 0n,
    end: 1_000_000n,
    cols: 20,
    rows: 5,
    scrollback: 100,
    liveFrom: 0n,
    ...request,
  });
  model.listen({
    parsed: () => undefined,
    notified: (_, some) => events.push(...some),
    replied: (text) => replies.push(text),
    lost: () => lost.resolve(),
    broke: () => undefined,
  });
  return { model, replies, events, opened: model.opened, lost: lost.promise };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = async ({ model }: Opened) => new TextDecoder().decode((await model.capture()).screen.content);

it("keeps a screen for the next, which goes on at its byte, and answers nothing of before", TIME, async () => {
  const path = join(folder(), "screens/e/t.json");
  const first = hostOf();
  const one = open(first, path);
  one.model.output(11n, bytes("\x1b]0;tt\x07one\x1b"));
  one.model.output(14n, bytes("[6n"));
  await one.model.capture();
  expect([one.replies, one.events]).toEqual([["\x1b[1;4R"], [{ kind: "title", title: "tt" }]]);
  await first.stop();
  const two = open(hostOf(), path, { liveFrom: 17n });
  expect(await two.opened).toMatchObject({ from: 14n, isFresh: false, title: "tt" });
  two.model.output(17n, bytes("two"));
  two.model.output(20n, bytes("\x1b[c"));
  expect(await textOf(two)).toContain("onetwo");
  expect(two.replies).toEqual(["\x1b[?1;2c"]);
});

it("starts over where what was kept is another terminal's, or older than what the guest has", TIME, async () => {
  const path = join(folder(), "t.json");
  const host = hostOf();
  const one = open(host, path);
  one.model.output(3n, bytes("old"));
  await one.model.capture();
  await one.model.close(true);
  const others = [
    { createdUnixMs: 2, start: 0n, fresh: false },
    { createdUnixMs: 1, start: 100n, fresh: true },
  ];
  for (const { createdUnixMs, start, fresh } of others) {
    const other = open(host, path, { createdUnixMs, start });
    expect(await other.opened).toMatchObject({ from: start, isFresh: fresh });
    expect(await textOf(other)).not.toContain("old");
    await other.model.close(true);
  }
});

it("leaves no file of a terminal that is gone", TIME, async () => {
  const path = folder();
  const host = hostOf();
  const one = open(host, join(path, "t.json"));
  one.model.output(1n, bytes("x"));
  await one.model.close(true);
  const two = open(host, join(path, "t.json"));
  await two.opened;
  expect(readdirSync(path)).toEqual(["t.json"]);
  await two.model.close(false);
  await open(host, join(path, "other.json")).opened;
  expect(readdirSync(path)).toEqual([]);
});

it("writes nothing of a terminal once it has said that it is closed", TIME, async () => {
  const path = join(folder(), "environment");
  const host = hostOf();
  for (let round = 0; round < 5; round++) {
    const one = open(host, join(path, "t.json"));
    const flood = bytes("x".repeat(600_000));
    one.model.output(BigInt(flood.length), flood);
    if (round % 2 === 0) await one.model.capture();
    await one.model.close(false);
    rmSync(path, { recursive: true, force: true });
    await open(host, join(path, "../other.json")).model.capture();
    expect(existsSync(path)).toBe(false);
  }
});

it("tells of a worker that died, and serves on with the next", TIME, async () => {
  const path = folder();
  const host = hostOf({ limits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 2 } });
  const small = open(host, join(path, "a.json"));
  const large = open(host, join(path, "b.json"), { cols: 1000, rows: 1000, scrollback: 20_000 });
  let end = 0n;
  const row = bytes(`${"\x1b]8;;http://x\x07e\u0301\x1b]8;;\x07".repeat(900)}\r\n`);
  for (let i = 0; i < 300; i++) {
    end += BigInt(row.length);
    large.model.output(end, row);
  }
  await Promise.all([small.lost, large.lost]);
  const again = open(host, join(path, "a.json"));
  again.model.output(4n, bytes("back"));
  expect(await textOf(again)).toContain("back");
});

it("loses one write or one screen of one terminal to what an emulator throws, and never the worker", TIME, async () => {
  const path = folder();
  const errors: string[] = [];
  const host = createModelHost({ error: (_, message) => errors.push(message) });
  onTestFinished(() => host.stop());
  const lost: string[] = [];
  const [bad, good] = ["bad", "good"].map((name) => open(host, join(path, `${name}.json`), { cols: 80, rows: 24 })) as [
    Opened,
    Opened,
  ];
  for (const [name, one] of Object.entries({ bad, good })) void one.lost.then(() => lost.push(name));
  good.model.output(4n, bytes("good"));
  const fatal = bytes("\x1b[24;80H\x1b[1Jdrawn");
  bad.model.output(BigInt(fatal.length), fatal);
  expect(await textOf(bad)).toContain("drawn");
  expect(errors).toEqual([]);
  // No size that a terminal can have.
  bad.model.resized(0.5, 5);
  bad.model.output(BigInt(fatal.length + 4), bytes("anew"));
  expect(await textOf(bad)).toContain("anew");
  expect((await bad.model.capture()).offset).toBe(BigInt(fatal.length + 4));
  expect(await textOf(good)).toContain("good");
  expect(errors).toEqual(["an exception cost a screen model its screen"]);
  expect(lost).toEqual([]);
});

it("stays small under marks, links and titles without end", TIME, async () => {
  // Before the host, which keeps its screens when it is stopped: what was made last goes first.
  const path = join(folder(), "t.json");
  const host = hostOf({ limits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 2 } });
  const one = open(host, path);
  let end = 0n;
  let died = false;
  void one.lost.then(() => {
    died = true;
  });
  const flood = [
    `e${"\u0301".repeat(20_000)}`,
    `\x1b]8;;${"u".repeat(40_000)}\x07x\x1b]8;;\x07`,
    "\x1b]8;;http://l\x07".repeat(3000),
  ];
  for (let i = 0; i < 900; i++) {
    const piece = bytes(flood[i % 3] ?? "");
    end += BigInt(piece.length);
    one.model.output(end, piece);
    if (i % 20 === 0) await one.model.capture();
  }
  const { screen } = await one.model.capture();
  expect(died).toBe(false);
  expect(screen.content.length).toBeLessThan(2_000_000);
});

/** Each of its bytes costs a screen of a million cells. */
const costly = bytes("\x1b#8\x1b[2J".repeat(9000));

it("opens, draws and captures one terminal while another has more to draw than can be drawn", TIME, async () => {
  const path = folder();
  const host = hostOf();
  const slow = open(host, join(path, "slow.json"), { cols: 1000, rows: 1000, end: 0n });
  for (let i = 1n; i <= 16n; i++) slow.model.output(i * BigInt(costly.length), costly);
  const quick = open(host, join(path, "quick.json"));
  await quick.opened;
  quick.model.output(5n, bytes("quick"));
  expect(await textOf(quick)).toContain("quick");
  expect(slow.model.unparsed).toBeGreaterThan(12 * costly.length);
  await slow.model.close(false);
});

it("keeps the memory of many huge screens bounded, and each as it was", TIME, async () => {
  const path = folder();
  const host = hostOf();
  const before = process.memoryUsage().rss;
  const all = Array.from({ length: 32 }, (_, i) => open(host, join(path, `${i}.json`), { cols: 1000, rows: 1000 }));
  // Both screens of each take 24 MB.
  for (const [i, { model }] of all.entries()) model.output(20n, bytes(`\x1b[?1049hnumber ${i}.`.padEnd(20)));
  for (const { model } of all) await expect.poll(() => model.unparsed, { timeout: 60_000 }).toBe(0);
  expect(process.memoryUsage().rss - before).toBeLessThan(450 * 1024 * 1024);
  for (const [i, one] of all.entries()) if (i % 8 === 0) expect(await textOf(one)).toContain(`number ${i}.`);
  await Promise.all(all.map(({ model }) => model.close(false)));
});

it(
  "leaves out of a flood what can not be seen any more, and has the exact screen wherever it is taken",
  TIME,
  async () => {
    const opened = open(hostOf(), join(folder(), "t.json"), { end: 0n });
    await opened.opened;
    let offset = 0n;
    let text = "";
    const print = (some: string): void => {
      text += some;
      // As much as the host gives at once, and as much less as it likes.
      for (let at = 0; at < some.length; at += 50_000) {
        const piece = bytes(some.slice(at, at + 50_000));
        offset += BigInt(piece.length);
        opened.model.output(offset, piece);
      }
    };
    for (let round = 0; round < 3; round++) {
      print("\x1b[4mtitle\x1b[m\r\n");
      print(Array.from({ length: 5000 }, (_, line) => `${round} ${line}${line % 3 === 0 ? "\n" : "\r\n"}`).join(""));
      if (round % 2 === 0) opened.model.resized(20 + round, 5);
      const taken = await opened.model.capture();
      const whole = await drawn(text, round);
      expect(new TextDecoder().decode(taken.screen.content)).toBe(new TextDecoder().decode(whole.content));
      expect(taken.offset).toBe(offset);
    }
  },
);

/** What a model has that draws all of it; sizes as above. */
async function drawn(text: string, upTo: number) {
  const opened = open(hostOf(), join(folder(), "t.json"), { end: 0n });
  await opened.opened;
  let offset = 0n;
  for (const [round, part] of text.split(/(?=\x1b\[4m)/).entries()) {
    for (const line of part.match(/[^\n]*\n/g) ?? []) {
      offset += BigInt(line.length);
      opened.model.output(offset, bytes(line));
      // Nothing is left out where it is looked at.
      if (offset % 50n === 0n) void opened.model.capture();
    }
    if (round % 2 === 0 && round <= upTo) opened.model.resized(20 + round, 5);
  }
  return (await opened.model.capture()).screen;
}
