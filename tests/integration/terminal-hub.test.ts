import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseScreenState, type Screen } from "@microterm/screen";
import { describeScreen, type ScreenDescription } from "@microterm/screen/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { createEmulator } from "../../support/emulator.ts";
import { poll, startServer } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";
import { terminalSuite } from "../../support/terminal-suite.ts";

const PATIENCE = { timeout: 180_000 };
const suite = terminalSuite("hub");
const { open, attach } = suite;

/** What an emulator shows after a screen, if any, and output. */
function shown(bytes: Uint8Array, keyframe?: TerminalClient["keyframes"][number]): ScreenDescription {
  const { terminal, screen } = createEmulator();
  if (keyframe !== undefined) {
    const { cols, rows, content } = keyframe;
    screen.restoreNow({ cols, rows, content, state: parseScreenState(keyframe.state) as Screen["state"] });
  }
  screen.writeNow(bytes);
  return describeScreen(terminal);
}

const keyframed = async (client: TerminalClient) => {
  await poll("a keyframe", () => client.keyframes.length > 0);
  return client.keyframes[0] as TerminalClient["keyframes"][number];
};
const settled = async (client: TerminalClient, word: string) => {
  client.type(`${word}\n`);
  await client.until(word);
};

/** Whatever is typed comes back; nothing else is printed after `script`. */
const echo = (script: string) => `stty raw -echo; ${script}; exec cat`;
/** The same once a client has said `go`; until the program reads, the terminal would echo that. */
const READY = "ready";
const onGo = (script: string) => echo(`printf ${READY}; read go; ${script}`);
async function go(client: TerminalClient): Promise<void> {
  await poll("the program", () => client.received >= READY.length);
  client.type("go\n");
}

describe("a client that comes late", () => {
  it("sees the same screen as the first one, cell by cell, and what follows", async () => {
    const dress =
      "seq 1 3000; printf '\\033[?1049h\\033[2;10r\\033[?1002h\\033[?1006h\\033[4 q\\033(0lqk\\033(B\\033[4:3;38;5;99m日本—\\033]8;;http://x\\007li'";
    const terminal = await open(echo(dress));
    const first = attach(terminal);
    await first.until("http://x\x07li");
    const late = attach(terminal, { from: null });
    const keyframe = await keyframed(late);
    expect(shown(Buffer.alloc(0), keyframe)).toEqual(shown(first.bytes));
    await settled(first, "nk\\033[?1049lafter");
    await poll("the output after it", () => late.offset === first.offset);
    expect(late.jumps).toEqual([]);
    expect(shown(late.bytes, keyframe)).toEqual(shown(first.bytes));
  });

  it(
    "does so in the middle of invalid UTF-8, an unfinished sequence, and megabytes without a new line",
    PATIENCE,
    async () => {
      const hard =
        "printf '\\377\\342\\200 \\360\\237'; head -c 10000000 /dev/zero | tr '\\0' x; printf '\\033[1;31mred\\033]0;a ti'";
      const terminal = await open(echo(hard));
      const first = attach(terminal);
      await first.until("]0;a ti");
      const late = attach(terminal, { from: null });
      const keyframe = await keyframed(late);
      first.type("tle\x07\x1b[");
      await poll("what follows", () => first.text.endsWith("tle\x07\x1b["));
      const later = attach(terminal, { from: null });
      const second = await keyframed(later);
      first.type("4munderlined");
      await first.until("underlined");
      for (const client of [late, later]) await poll("all", () => client.offset === first.offset);
      expect(shown(late.bytes, keyframe)).toEqual(shown(first.bytes));
      expect(shown(later.bytes, second)).toEqual(shown(first.bytes));
      expect(later.ready?.title).toBe("a title");
    },
  );

  it("is one of a thousand", PATIENCE, async () => {
    const terminal = await open(echo("seq 1 100"));
    const first = attach(terminal);
    await first.until("100");
    const others = Array.from(
      { length: 1000 },
      () => new TerminalClient(suite.server, suite.environment, terminal, { from: null }),
    );
    onTestFinished(async () => {
      for (const client of others) client.socket.terminate();
      await Promise.all(others.map((client) => client.ended));
    });
    for (const client of others) await poll("every keyframe", () => client.keyframes.length === 1);
    await settled(first, "for all of you");
    for (const client of others) await poll("the echo", () => client.text.includes("for all of you"));
  });
});

describe("a slow client", () => {
  it("gets a keyframe while a fast one goes on, and what it draws is the same", PATIENCE, async () => {
    const terminal = await open(onGo("seq 1 1500000; printf END"));
    const fast = attach(terminal, { keep: false });
    const slow = attach(terminal, { acknowledge: false });
    const never = attach(terminal, { acknowledge: false, keep: false });
    await Promise.all([fast.opened(), slow.opened(), never.opened()]);
    await go(fast);
    await poll("a window's worth", () => slow.received > 300_000);
    // It takes part once, and then no more until the end.
    slow.acknowledge(slow.offset);
    await poll("the flood's end", () => fast.received >= READY.length + 10_888_899, 150_000);
    expect(fast.jumps).toEqual([]);
    expect([slow.keyframes.length, never.keyframes.length]).toEqual([0, 0]);
    // A new client's has all output so far, and after it the slow one's has too.
    const late = await keyframed(attach(terminal, { from: null }));
    slow.acknowledge(slow.offset);
    const keyframe = await keyframed(slow);
    expect(shown(Buffer.alloc(0), keyframe).normal.at(-1)).toContain("1×E|1|0,0,0,0, 1×N|1|0,0,0,0, 1×D|");
    expect(shown(Buffer.alloc(0), late)).toEqual(shown(Buffer.alloc(0), keyframe));
  });
});

describe("a client that comes and goes all the time", () => {
  it("without taking anything costs the others no byte", PATIENCE, async () => {
    const terminal = await open(onGo("seq 1 1500000; printf END"));
    const steady = attach(terminal, { keep: false });
    let restless = attach(terminal, { acknowledge: false, keep: false });
    await Promise.all([steady.opened(), restless.opened()]);
    const again = setInterval(() => {
      restless.socket.terminate();
      restless = attach(terminal, { acknowledge: false, keep: false });
    }, 2700);
    onTestFinished(() => clearInterval(again));
    await go(steady);
    const gaps = () => steady.frames.filter((frame) => frame.startsWith("GAP"));
    await poll("the flood's end", () => steady.received >= READY.length + 10_888_899 || gaps().length > 0, 150_000);
    expect([gaps(), steady.jumps]).toEqual([[], []]);
  });

  it("costs nothing of what another one pastes", PATIENCE, async () => {
    const terminal = await open(echo("printf ready"));
    const steady = attach(terminal);
    await steady.until("ready");
    let restless = await attach(terminal, { acknowledge: false, keep: false }).opened();
    const again = setInterval(() => {
      restless.socket.terminate();
      restless = attach(terminal, { acknowledge: false, keep: false });
    }, 1500);
    onTestFinished(() => clearInterval(again));
    // The guest's ring takes 4 MiB of its echo before the program is held.
    const pasted = "a line of text\n".repeat(360_000);
    for (let at = 0; at < pasted.length; at += 32_000) steady.type(pasted.slice(at, at + 32_000));
    steady.type("END");
    await poll("all of it to come back", () => steady.offset >= BigInt(`ready${pasted}END`.length), 120_000);
  });
});

describe("a client of a flood", () => {
  it.each([
    { wait: "a second", ms: 1000 },
    // The guest's agent gives bytes up after 5 s of a reader that does not move.
    { wait: "seven seconds", ms: 7000 },
  ])("that is cut and comes back $wait later gets every byte, and no keyframe", PATIENCE, async ({ ms }) => {
    const total = READY.length + 3 * 6_888_896;
    const terminal = await open(onGo("for i in 1 2 3; do seq 1 1000000; done; printf END"));
    let client = await attach(terminal).opened();
    await go(client);
    const parts: Buffer[] = [];
    for (let cut = 0; cut < 3; cut++) {
      await poll("some of the flood", () => client.received > 1_000_000);
      client.socket.terminate();
      await client.ended;
      parts.push(client.bytes);
      await delay(ms);
      const next = attach(terminal, { from: client.offset });
      expect([client.keyframes.length, client.jumps]).toEqual([0, []]);
      client = next;
    }
    await poll("the end", () => client.offset >= BigInt(total + 3), 120_000);
    expect([client.keyframes.length, client.jumps]).toEqual([0, []]);
    const all = Buffer.concat([...parts, client.bytes]);
    const seq = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}\n`).join(""));
    expect(all.length).toBe(total + 3);
    expect(all.equals(Buffer.concat([Buffer.from(READY), seq, seq, seq, Buffer.from("END")]))).toBe(true);
  });

  it("that was cut with another one is waited for when that is back", PATIENCE, async () => {
    const terminal = await open(onGo("for i in 1 2 3 4 5 6; do seq 1 1000000; done; printf END"));
    const cut = [await attach(terminal).opened(), await attach(terminal).opened()];
    await go(cut[0] as TerminalClient);
    for (const client of cut) await poll("some of the flood", () => client.received > 1_000_000);
    for (const client of cut) client.socket.terminate();
    for (const client of cut) await client.ended;
    await delay(7000);
    const back: TerminalClient[] = [];
    for (const { offset } of cut) {
      back.push(await attach(terminal, { from: offset, keep: false }).opened());
      await delay(1500);
    }
    for (const client of back)
      await poll("the end", () => client.offset >= BigInt(READY.length) + 6n * 6_888_896n + 3n, 120_000);
    expect(back.map(({ keyframes, jumps }) => [keyframes.length, jumps])).toEqual([
      [0, []],
      [0, []],
    ]);
  });

  it("that is cut is waited for though one who looks on comes first", PATIENCE, async () => {
    const terminal = await open(onGo("for i in 1 2 3 4 5 6; do seq 1 1000000; done; printf END"));
    const first = await attach(terminal).opened();
    await go(first);
    await poll("some of the flood", () => first.received > 1_000_000);
    first.socket.terminate();
    await first.ended;
    const viewer = await attach(terminal, { from: first.offset, role: "viewer", keep: false }).opened();
    await delay(2000);
    const back = await attach(terminal, { from: first.offset, keep: false }).opened();
    await poll("the end", () => back.offset >= BigInt(READY.length) + 6n * 6_888_896n + 3n, 120_000);
    expect([back.keyframes.length, back.jumps, viewer.jumps]).toEqual([0, [], []]);
  });

  it("that comes new gets a screen and keeps up", PATIENCE, async () => {
    const terminal = await open(onGo("for i in 1 2 3 4; do seq 1 1000000; done; printf END"));
    const first = await attach(terminal, { keep: false }).opened();
    await go(first);
    await poll("the flood", () => first.received > 1_000_000);
    const late = attach(terminal, { from: null });
    await keyframed(late);
    await poll("its output", () => late.received > 1_000_000 || late.text.endsWith("END"));
    await late.until(/END$/);
    expect(late.keyframes.length).toBeLessThan(4);
  });
});

describe("a program's query", () => {
  const ASK = "\\033[c\\033[6n\\033]11;?\\007\\033[?2004$p\\033[>q";

  it(
    "is answered once with the typing client's colours, with any number of clients, and not again by a new server",
    PATIENCE,
    async () => {
      const own = await startServer();
      const { id } = await own.environment("queries");
      const { id: terminal } = await own.ok("POST", `/v1/environments/${id}/terminals`, {
        command: ["bash", "-c", `stty raw -echo; printf ready; read -rn1; printf '${ASK}'; exec cat -v`],
      });
      const [one, two] = [new TerminalClient(own, id, terminal), new TerminalClient(own, id, terminal)];
      await Promise.all([one.until("ready"), two.until("ready")]);
      one.appearance({ foreground: "#ffffff", background: "#102030", cursor: "#ffffff" });
      two.appearance({ foreground: "#ffffff", background: "#aaaaaa", cursor: "#ffffff" });
      one.type("x");
      const answers = "^[[?1;2c^[[1;6R^[]11;rgb:1010/2020/3030^[\\^[[?2004;2$y^[P>|xterm.js(6.0.0)^[\\";
      await poll("the answers", () => one.text.endsWith(answers));
      two.type("y");
      await poll("the echo", () => one.text.endsWith(`${answers}y`));
      await poll("the screen on disk", () => existsSync(join(own.data, "server/screens", id, `${terminal}.json`)));
      await own.kill("SIGKILL");
      const next = await startServer({ data: own.data });
      const again = new TerminalClient(next, id, terminal, { from: null });
      const keyframe = await keyframed(again);
      expect(shown(Buffer.alloc(0), keyframe)).toEqual(shown(one.bytes));
      again.type("z");
      await again.until("z");
      expect(again.text).toBe("z");
      await again.close();
      expect(await next.dispose()).toEqual([]);
    },
  );
});

describe("what output tells", () => {
  it("comes as events with their offsets, once, and none of it for those who come later", async () => {
    const terminal = await open(
      onGo(
        "printf '\\033]0;a \\033]0;title\\007'; printf '\\033]7;file://h/tmp\\033\\\\'; printf '\\007\\033]133;D;3\\007.'",
      ),
    );
    const client = await attach(terminal).opened();
    await go(client);
    await poll("four events", () => client.events.length >= 4);
    const kinds = client.events.map(({ offset, ...rest }) => rest);
    expect(kinds).toContainEqual({ kind: "title", title: "title" });
    expect(kinds).toContainEqual({ kind: "cwd", path: "/tmp" });
    expect(kinds).toContainEqual({ kind: "bell" });
    expect(kinds).toContainEqual({ kind: "prompt", mark: "D", exit: 3 });
    const bell = client.events.find(({ kind }) => kind === "bell")?.offset ?? 0n;
    expect(client.bytes[Number(bell) - 1]).toBe(7);
    const late = attach(terminal, { from: 0 });
    await late.until("133;D;3\x07.");
    expect([late.events, late.ready?.title, late.ready?.cwd]).toEqual([[], "title", "/tmp"]);
  });
});

describe("a viewer", () => {
  it("sees everything, and types and sizes nothing", async () => {
    const terminal = await open(echo("printf hello"));
    const owner = attach(terminal);
    await owner.until("hello");
    const viewer = await attach(terminal, { role: "viewer" }).opened();
    viewer.resize(20, 10);
    viewer.type("one");
    viewer.type("two");
    await poll("a notice", () => viewer.frames.includes("NOTICE read-only"));
    await settled(owner, "three");
    await viewer.until("three");
    expect(owner.text).toBe("hellothree\n");
    expect(viewer.frames.filter((frame) => /NOTICE|RESIZE/.test(frame))).toEqual([
      "RESIZE 0 80 24",
      "NOTICE read-only",
    ]);
    expect(viewer.ready?.role).toBe("viewer");
  });
});

describe("sizes", () => {
  it("that two clients fight over reach every client and the server's screen at the same bytes", PATIENCE, async () => {
    const terminal = await open(echo("seq 1 500"));
    const [one, two] = [attach(terminal), attach(terminal)];
    await Promise.all([one.until("500"), two.until("500")]);
    for (let round = 0; round < 100; round++) {
      one.resize(40 + (round % 60), 10 + (round % 20));
      one.type("a");
      two.resize(90 - (round % 60), 30 - (round % 20));
      two.type("b\r\n");
    }
    await poll("all echoes", () => one.text.split("b\r\n").length === 101 && two.offset === one.offset);
    one.resize(80, 24);
    one.type("!");
    await two.until("!");
    await poll("the last size", () => two.frames.at(-1)?.endsWith(" 80 24") === true);
    const sizes = (client: TerminalClient) => client.frames.filter((frame) => frame.startsWith("RESIZE"));
    expect(sizes(one)).toEqual(sizes(two));
    expect(sizes(one).length).toBeGreaterThan(1);
    const late = attach(terminal, { from: null });
    const keyframe = await keyframed(late);
    expect([keyframe.cols, keyframe.rows]).toEqual([80, 24]);
  });
});
