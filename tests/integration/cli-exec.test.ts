import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { cli, command, Pane } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.environment("demo");
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const exec = (args: readonly string[], call = {}) => cli(server, ["exec", ...args], call);

describe("exec", () => {
  it("keeps the streams apart and ends with the command's exit code", async () => {
    const ran = await exec(["demo", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect([ran.code, ran.stdout.toString(), ran.stderr]).toEqual([7, "out\n", "err\n"]);
  });

  it("passes ten megabytes of any bytes in and out unchanged", async () => {
    const data = randomBytes(10_000_000);
    const through = await exec(["-i", "demo", "cat"], { stdin: data });
    expect([through.code, through.stdout.length, sha256(through.stdout)]).toEqual([0, data.length, sha256(data)]);
  });

  it("ends when a slow reader has taken all of the output", async () => {
    const during = ({ stdout }: ChildProcess) => {
      stdout?.pause();
      setTimeout(() => stdout?.resume(), 1500);
    };
    // The kernel's buffer is full behind one of them, and the last of it still waits in the process.
    for (const bytes of [180_000, 220_000, 260_000, 300_000, 340_000]) {
      const ran = await exec(["demo", "--", "head", "-c", String(bytes), "/dev/zero"], { during });
      expect([ran.code, ran.stdout.length]).toEqual([0, bytes]);
    }
  });

  it.each([
    ["a command that is not there", ["demo", "no-such-command"], 127],
    ["a file that cannot be run", ["demo", "/etc/passwd"], 126],
    ["a folder that is not there", ["-w", "/no/such/folder", "demo", "ls"], 126],
    ["a command that a signal ends", ["demo", "sh", "-c", "kill -TERM $$"], 143],
    ["an environment that is not there", ["missing", "ls"], 125],
    ["a missing command", ["demo"], 125],
    ["an option it does not have", ["--no-such-option", "demo", "ls"], 125],
    ["a variable without a name", ["-e", "=x", "demo", "ls"], 125],
    ["-it without a terminal", ["-it", "demo", "ls"], 125],
  ])("has the exit code of Docker for %s", async (_, args, code) => {
    const ran = await exec(args);
    expect([ran.code, ran.stdout.toString()]).toEqual([code, ""]);
    if (code !== 143) expect(ran.stderr).not.toBe("");
  });

  it("takes as many words and variables as Linux does", async () => {
    const names = Array.from({ length: 15 }, (_, index) => `V${index}`);
    const env = Object.fromEntries(names.map((name) => [name, "v".repeat(100_000)]));
    const words = ["x".repeat(131_071), ...Array(5000).fill("x")];
    const script = 'echo "$#" "$(printf %s "$V14" | wc -c)"';
    const variables = names.flatMap((name) => ["-e", name]);
    const ran = await exec([...variables, "demo", "sh", "-c", script, "sh", ...words], { env });
    expect([ran.code, ran.stdout.toString(), ran.stderr]).toEqual([0, "5001 100000\n", ""]);
  });

  it("blames no connection for what the server refuses", async () => {
    const ran = await exec(["-w", "x".repeat(5000), "demo", "true"]);
    expect([ran.code, ran.stderr]).toEqual([125, expect.stringContaining("cwd")]);
    expect(ran.stderr).not.toMatch(/microterm up|connection/);
  });

  it("gives the command what follows the name, options too", async () => {
    const ran = await exec(["demo", "printf", "%s ", "-e", "--data", "-x"]);
    expect(ran.stdout.toString()).toBe("-e --data -x ");
    expect((await exec(["demo", "--", "echo", "--"])).stdout.toString()).toBe("--\n");
  });

  it("sets variables and the folder", async () => {
    const script = "echo $A:$B:$(pwd)";
    const ran = await exec(["-e", "A=1=2", "-e", "B", "-w", "/tmp", "demo", "sh", "-c", script], {
      env: { B: "here" },
    });
    expect(ran.stdout.toString()).toBe("1=2:here:/tmp\n");
  });

  it("passes no input without -i", async () => {
    expect((await exec(["demo", "cat"], { stdin: "secret" })).stdout.toString()).toBe("");
  });

  it.each([
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const)("passes %s on to the command", async (signal, number) => {
    const script = `trap 'echo caught ${number}; exit 5' ${number}; echo ready; while :; do sleep 0.1; done`;
    const ran = await exec(["demo", "sh", "-c", script], {
      during: (child: import("node:child_process").ChildProcess) =>
        child.stdout?.once("data", () => child.kill(signal)),
    });
    expect([ran.code, ran.stdout.toString()]).toEqual([5, `ready\ncaught ${number}\n`]);
  });

  it("ends with its reader, and ends the command", async () => {
    const pane = await Pane.open(server);
    await pane.line(`${command("exec demo bash -c 'exec -a endless-yes yes' | head -n 1")}; echo over`);
    await pane.waitFor(/\ny\nover/);
    await poll(
      "the command's end",
      async () => (await cli(server, ["exec", "demo", "pgrep", "-f", "^endless-yes"])).code === 1,
    );
  });

  it("gives the command a terminal of the person's size, and follows its changes", async () => {
    const pane = await Pane.open(server);
    const before = await pane.settings();
    await pane.line(command("exec -it demo sh -c 'stty size; trap \"stty size\" WINCH; while :; do sleep 0.1; done'"));
    await pane.waitFor(/\n30 100\n/);
    await pane.resize(90, 20);
    await pane.waitFor(/\n20 90\n/);
    await pane.keys("C-c");
    await pane.waitFor(/here\$\s*$/);
    await pane.resize(100, 30);
    expect(await pane.settings()).toBe(before);
  });

  it("is an error of its own, and says what to do, when the server is gone", async () => {
    const ran = await exec(["demo", "ls"], {
      env: { MICROTERM_URL: "http://127.0.0.1:9", MICROTERM_TOKEN: "x".repeat(40) },
    });
    expect(ran.code).toBe(125);
    expect(ran.stderr).toContain("Try: ./microterm up");
  });
});
