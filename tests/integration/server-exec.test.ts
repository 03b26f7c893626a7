import { EXEC_SUBPROTOCOL, FRAME, MAX_FRAME_PAYLOAD, startPieces } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import { poll, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
let environment: string;
beforeAll(async () => {
  server = await startServer();
  environment = (await server.environment("exec")).id;
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const run = (body: unknown) => server.call("POST", `/v1/environments/${environment}/exec`, { body });

describe("exec over HTTP", () => {
  it("keeps the streams and the exit apart", async () => {
    const answer = await run({
      command: ["sh", "-c", 'cat; echo "$A" >&2; exit 3'],
      stdin: "typed ✓",
      env: { A: "b" },
      cwd: "/",
    });
    expect(answer.json).toEqual({
      exit: { code: 3, signal: null },
      stdout: "typed ✓",
      stderr: "b\n",
      truncated: false,
      timedOut: false,
    });
  });

  it("tells why a program was not started", async () => {
    expect((await run({ command: ["/no/such/program"] })).json.failure.code).toBe("not-found");
    expect((await run({ command: ["/etc/hostname"] })).json.failure.code).toBe("not-executable");
    expect((await run({ command: ["true"], cwd: "/no/such/folder" })).json.failure.code).toBe("bad-cwd");
  });

  it("keeps the first MiB of each stream and lets the program end", async () => {
    const { json } = await run({ command: ["sh", "-c", "head -c 3000000 /dev/zero; exit 5"] });
    expect([json.exit.code, json.stdout.length, json.truncated]).toEqual([5, 1024 * 1024, true]);
  });

  it("kills a program at its deadline whatever it does, and keeps what it printed", async () => {
    const scripts = {
      waits: "exec sleep 1000",
      "leaves a child that prints": "yes >&2 & exec sleep 1000",
      "ignores signals": "trap '' HUP INT TERM; while :; do sleep 1000; done",
    };
    const kills = Object.entries(scripts).map(async ([what, script], number) => {
      const command = ["sh", "-c", `echo $$ > pid${number}; echo step1; ${script}`];
      // Enough to begin in, also on a loaded host.
      expect(await run({ command, timeoutMs: 5000 }), what).toMatchObject({
        status: 200,
        json: { timedOut: true, exit: { code: null, signal: 9 }, stdout: "step1\n" },
      });
      const alive = async () =>
        (await run({ command: ["sh", "-c", `kill -0 $(cat pid${number})`] })).json.exit.code === 0;
      await poll("the program's end", async () => !(await alive()));
    });
    await Promise.all(kills);
  });
});

const KIB = 1024;
const COUNT_SCRIPT = 'echo "$#" "$(printf %s "$V" | wc -c)"';
/** A command's words and variables, and whether Linux runs it. */
const LENGTHS: readonly (readonly [string, readonly string[], Record<string, string>, boolean])[] = [
  ["a word of 128 KiB with its NUL", ["x".repeat(128 * KIB - 1)], {}, true],
  ["a longer word", ["x".repeat(128 * KIB)], {}, false],
  ["a variable of 128 KiB with its NUL", [], { V: "x".repeat(128 * KIB - 3) }, true],
  ["a longer variable", [], { V: "x".repeat(128 * KIB - 2) }, false],
  ["20,000 words", Array(20_000).fill("word"), {}, true],
  ["1.9 MiB of words whose JSON is six times as long", Array(19).fill("\x01".repeat(100 * KIB)), {}, true],
  ["more than 2 MiB of words", Array(21).fill("x".repeat(100 * KIB)), {}, false],
  ["more than 2 MiB of words and pointers to them", Array(210_000).fill("x"), {}, false],
  ["more than 2 MiB of letters of two bytes", Array(21).fill("é".repeat(50 * KIB)), {}, false],
];

describe("an exec's length", () => {
  it.each(LENGTHS)("is Linux's own, over HTTP: %s", async (_, words, env, runs) => {
    const { json } = await run({ command: ["sh", "-c", COUNT_SCRIPT, "sh", ...words], env });
    if (runs) expect(json).toMatchObject({ exit: { code: 0 }, stdout: `${words.length} ${env.V?.length ?? 0}\n` });
    else
      expect(json.failure).toMatchObject({ code: "failed", message: expect.stringMatching(/E2BIG.*Linux takes \d+/) });
  });

  it.each(LENGTHS)("is Linux's own, over a WebSocket: %s", async (_, words, env, runs) => {
    const exec = start({ command: ["sh", "-c", COUNT_SCRIPT, "sh", ...words], env, tty: null });
    expect(await exec.ended).toBe(1000);
    if (runs) expect(exec.of(FRAME.stdout).toString()).toBe(`${words.length} ${env.V?.length ?? 0}\n`);
    else expect(JSON.parse(exec.of(FRAME.failed).toString()).message).toMatch(/E2BIG/);
  });

  it("says a command's name in a few words, however long it is", async () => {
    const { json } = await run({ command: ["n".repeat(100_000)] });
    expect(json.failure.code).toMatch(/not-found|failed/);
    expect(json.failure.message.length).toBeLessThan(400);
  });

  it("is bounded before it is complete", async () => {
    const exec = start("nothing");
    exec.socket.removeAllListeners("open");
    exec.socket.once("open", () => {
      for (let index = 0; index < 260; index++) exec.send(FRAME.start, Buffer.alloc(MAX_FRAME_PAYLOAD, " "));
    });
    expect(await exec.ended).toBe(1002);
  });
});

interface Frame {
  readonly type: number;
  readonly body: Buffer;
}

/** An exec WebSocket that has sent its START. */
function start(request: unknown, headers: Record<string, string> = {}) {
  const url = `${server.url.replace("http", "ws")}/v1/environments/${environment}/exec`;
  const socket = new WebSocket(url, [EXEC_SUBPROTOCOL], {
    perMessageDeflate: false,
    headers: { authorization: `Bearer ${server.token}`, ...headers },
  });
  onTestFinished(() => socket.terminate());
  const frames: Frame[] = [];
  socket.on("error", () => undefined);
  socket.on("message", (data: Buffer) => frames.push({ type: data[0] as number, body: data.subarray(1) }));
  const send = (type: number, body: Buffer | string = "") =>
    socket.send(Buffer.concat([Buffer.of(type), Buffer.from(body)]));
  socket.once("open", () => {
    if (typeof request === "string") socket.send(request);
    else for (const piece of startPieces(Buffer.from(JSON.stringify(request)))) send(FRAME.start, Buffer.from(piece));
  });
  const ended = new Promise<number>((resolve) => socket.once("close", resolve));
  const of = (type: number) => Buffer.concat(frames.filter((frame) => frame.type === type).map(({ body }) => body));
  return { socket, frames, send, ended, of };
}

describe("exec over a WebSocket", () => {
  it("streams both ways and ends with the exit", async () => {
    const exec = start({ command: ["sh", "-c", "cat; echo err >&2; exit 9"], tty: null });
    await poll("STARTED", () => exec.frames.some(({ type }) => type === FRAME.started));
    exec.send(FRAME.input, "one ");
    await poll("the echo", () => exec.of(FRAME.stdout).toString() === "one ");
    exec.send(FRAME.input, "two");
    exec.send(FRAME.stdinEof);
    expect(await exec.ended).toBe(1000);
    expect([exec.of(FRAME.stdout).toString(), exec.of(FRAME.stderr).toString()]).toEqual(["one two", "err\n"]);
    expect(exec.frames.at(-1)).toEqual({ type: FRAME.exited, body: Buffer.of(0, 0, 0, 0, 9) });
  });

  it("takes what is sent behind START at once", async () => {
    const exec = start({ command: ["cat"], tty: null });
    exec.socket.once("open", () => {
      exec.send(FRAME.input, "early");
      exec.send(FRAME.stdinEof);
    });
    expect(await exec.ended).toBe(1000);
    expect(exec.of(FRAME.stdout).toString()).toBe("early");
  });

  it("passes a large input through unharmed, as fast as the program reads", async () => {
    const exec = start({ command: ["sh", "-c", "sleep 0.3; md5sum"], tty: null });
    const chunk = Buffer.alloc(60_000, "0123456789");
    exec.socket.once("open", () => {
      for (let index = 0; index < 100; index++) exec.send(FRAME.input, chunk);
      exec.send(FRAME.stdinEof);
    });
    expect(await exec.ended).toBe(1000);
    const { createHash } = await import("node:crypto");
    const md5 = createHash("md5")
      .update(Buffer.concat(Array(100).fill(chunk)))
      .digest("hex");
    expect(exec.of(FRAME.stdout).toString()).toContain(md5);
  });

  it("streams 30 MB to a client", async () => {
    const exec = start({ command: ["sh", "-c", "head -c 30000000 /dev/zero"], tty: null });
    expect(await exec.ended).toBe(1000);
    expect(exec.of(FRAME.stdout).length).toBe(30_000_000);
  });

  it("has a terminal where one is asked for, resizes and signals", async () => {
    const exec = start({
      command: ["sh", "-c", "trap 'stty size; exit 4' INT; echo up; while :; do sleep 0.05; done"],
      tty: { cols: 80, rows: 24 },
    });
    await poll("up", () => exec.of(FRAME.stdout).toString().includes("up"));
    exec.send(FRAME.resize, Buffer.of(0, 100, 0, 30));
    exec.send(FRAME.signal, Buffer.of(2));
    expect(await exec.ended).toBe(1000);
    expect(exec.of(FRAME.stdout).toString()).toContain("30 100");
    expect(exec.frames.at(-1)?.body).toEqual(Buffer.of(0, 0, 0, 0, 4));
  });

  it("tells a failed start and a death by signal", async () => {
    const failed = start({ command: ["/no/such"], tty: null });
    expect(await failed.ended).toBe(1000);
    expect(JSON.parse(failed.of(FRAME.failed).toString()).code).toBe("not-found");
    const killed = start({ command: ["sh", "-c", "kill -9 $$"], tty: null });
    expect(await killed.ended).toBe(1000);
    expect(killed.frames.at(-1)?.body).toEqual(Buffer.of(1, 0, 0, 0, 9));
  });

  it("ends the program with the connection", async () => {
    const exec = start({ command: ["sh", "-c", "echo $$; exec sleep 1000"], tty: null });
    await poll("the pid", () => exec.of(FRAME.stdout).toString().endsWith("\n"));
    const pid = exec.of(FRAME.stdout).toString().trim();
    exec.socket.terminate();
    await poll("the program's end", async () => (await run({ command: ["kill", "-0", pid] })).json.exit.code !== 0);
  });

  it.each([
    ["a text message", "hello"],
    ["no command", { tty: null }],
    ["an unknown member", { command: ["true"], tty: null, user: "root", more: 1 }],
  ])("closes with 1002 on %s", async (_name, request) => {
    expect(await start(request).ended).toBe(1002);
  });
});
