import type { ChildProcess } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { cli, cliOk, command, Pane, tempFolder } from "./cli-run.ts";

let server: TestServer;
let agent: number;
const stopped = new Set<number>();
beforeAll(async () => {
  server = await startServer();
  await server.environment("demo");
  agent = Number(await cliOk(server, ["exec", "demo", "sh", "-c", "echo $PPID; mkdir folder; echo x >folder/file"]));
});
/** Something hangs in these tests, and goes on for the next one. */
afterEach(() => {
  for (const pid of stopped) process.kill(pid, "SIGCONT");
  stopped.clear();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

function stop(who: "server" | "guest"): void {
  const pid = who === "server" ? server.pid : agent;
  process.kill(pid, "SIGSTOP");
  stopped.add(pid);
}

const SIGNALS = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

/** One run: killed by `signal` once it waits for an answer. Its exit code, or null as the signal itself ended it. */
async function killed(args: readonly string[], signal: NodeJS.Signals): Promise<number | null> {
  const ran = await cli(server, args, {
    during: (child) => void poll(`${args[0]} to be connected`, () => isConnected(child)).then(() => child.kill(signal)),
  });
  return ran.code;
}

/** Three sockets are its standard streams. */
function isConnected({ pid }: ChildProcess): boolean {
  const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return open.filter((target) => target.startsWith("socket:")).length > 3;
}

describe.each(["server", "guest"] as const)("while the %s hangs", (who) => {
  it("every verb that waits ends on a signal", async () => {
    const here = await tempFolder();
    await mkdir(join(here, "folder"));
    await writeFile(join(here, "folder/file"), "x");
    const verbs = [
      ["exec", "demo", "sleep", "1000"],
      ["exec", "-i", "demo", "cat"],
      ["exec", "-t", "demo", "sleep", "1000"],
      ["cp", join(here, "folder"), "demo:"],
      ["cp", join(here, "folder/file"), "demo:new"],
      ["cp", "demo:folder", here],
      ["cp", "demo:folder/file", join(here, "new")],
      // The process driver has no console to wait for: a server that lives answers at once.
      ...(who === "server"
        ? [
            ["logs", "demo"],
            ["logs", "-f", "demo"],
          ]
        : []),
    ];
    stop(who);
    const ends = await Promise.all(
      SIGNALS.flatMap(([signal, code]) => verbs.map(async (args) => [args, code, await killed(args, signal)] as const)),
    );
    for (const [args, code, got] of ends) expect([null, code], args.join(" ")).toContain(got);
  });

  it.each(SIGNALS)("a command that runs is left on %s", async (signal, code) => {
    const ran = await cli(server, ["exec", "demo", "sh", "-c", "echo up; sleep 1000"], {
      during: (child) =>
        child.stdout?.once("data", () => {
          stop(who);
          child.kill(signal);
        }),
    });
    expect([ran.code, ran.stdout.toString()]).toEqual([code, "up\n"]);
  });

  it.each(SIGNALS)("attach ends on %s", async (signal, code) => {
    const pane = await Pane.open(server);
    const before = await pane.settings();
    await pane.line(`${command("attach demo")}; echo "left with $?"`);
    await pane.waitFor(/Leave it running/);
    // Its answer, and not the echo of what is typed, which the pane shows before attach has the terminal and its signals.
    await pane.line("echo there-$((40 + 2))");
    await pane.waitFor(/there-42/);
    const pid = await pane.cliPid();
    stop(who);
    await pane.line("is lost");
    process.kill(pid, signal);
    await pane.waitFor(new RegExp(`left with ${code}`));
    expect(await pane.settings()).toBe(before);
  });

  it("Ctrl-C leaves a command that has the terminal", async () => {
    const pane = await Pane.open(server);
    const before = await pane.settings();
    await pane.line(`${command("exec -it demo cat")}; echo "left with $?"`);
    await poll("the terminal to be the command's", async () => (await pane.settings()) !== before);
    await pane.line("echoed");
    await pane.waitFor(/\nechoed\nechoed\n/);
    stop(who);
    await pane.keys("C-c", "C-c", "C-c");
    await pane.waitFor(/left with 130/);
    expect(await pane.settings()).toBe(before);
  });
});

describe("exec", () => {
  it.each(SIGNALS)("ends on %s though the command does not, and the command ends with it", async (signal, code) => {
    const script = "trap '' INT TERM HUP; echo $$; while :; do sleep 1; done";
    const ran = await cli(server, ["exec", "demo", "sh", "-c", script], {
      during: (child) => child.stdout?.once("data", () => child.kill(signal)),
    });
    expect(ran.code).toBe(code);
    const pid = ran.stdout.toString().trim();
    await poll("the command's end", async () => (await cli(server, ["exec", "demo", "kill", "-0", pid])).code !== 0);
  });

  it.each(SIGNALS)("ends on %s though nobody reads what it prints", async (signal, code) => {
    const ended = Promise.withResolvers<number | null>();
    void cli(server, ["exec", "demo", "yes"], {
      during: (child) => {
        child.once("exit", ended.resolve);
        child.stdout?.once("data", () => {
          child.stdout?.pause();
          child.kill(signal);
        });
      },
    });
    expect(await ended.promise).toBe(code);
  });

  it.each([
    ["prints without end", "yes & exit 3", 3],
    ["is silent", "sleep 1000 & exit 4", 4],
  ])("ends with its command though a child of it %s", async (_, script, code) => {
    const ran = await cli(server, ["exec", "demo", "sh", "-c", `echo $$; ${script}`]);
    const [pid = ""] = ran.stdout.toString().split("\n");
    expect([ran.code, pid]).toEqual([code, expect.stringMatching(/^\d+$/)]);
    process.kill(-Number(pid), "SIGKILL");
  });
});
