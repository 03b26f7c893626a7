import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { EXEC_SUBPROTOCOL, FRAME, TERMINAL_SUBPROTOCOL } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { answersWithin, type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

/** What a person would still call an answer, on a host whose cores are busy emulating. */
const PROMPT_MS = 60_000;
const MIB = 1024 * 1024;
const FLOOD_MIB = process.env.MICROTERM_SOAK === "1" ? 1024 : 24;

let world: QemuServer;
/** Behaves, and must not notice anything. */
let bystander: string;
beforeAll(async () => {
  world = await startQemuServer();
  bystander = await world.create({ name: "bystander" });
});
afterAll(() => world.close());

async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${world.server.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Server, daemon and another guest answer. */
async function othersAnswer(): Promise<void> {
  expect(await answersWithin(world.server, "/readyz", PROMPT_MS)).toBe(200);
  expect(await answersWithin(world.server, "/v1/environments", PROMPT_MS)).toBe(200);
  expect((await world.daemon.client.list()).machines.length).toBeGreaterThan(0);
  expect(await world.run(bystander, "echo fine", PROMPT_MS)).toMatchObject({ code: 0, stdout: "fine\n" });
}

const terminalOf = async (id: string): Promise<string> =>
  (await world.server.ok("POST", `/v1/environments/${id}/terminals`, {})).id;

/** The one that misbehaves, started again where a test has ended it. */
let victim: string | null = null;
type Bring = (id: string) => Promise<unknown>;
const withGuest =
  (act: (id: string, bring: Bring) => Promise<void>) =>
  async (_name?: unknown, bring: Bring = async () => {}): Promise<void> => {
    victim ??= await world.create({ name: "victim", memoryMib: 192, diskMib: 64 });
    const { state } = await world.server.ok("GET", `/v1/environments/${victim}`);
    if (state !== "running") await world.server.ok("POST", `/v1/environments/${victim}/start`);
    await world.until(victim, "running");
    await act(victim, bring);
    await othersAnswer();
  };

describe("a guest that uses up what it has", () => {
  it(
    "fills its disk and goes on answering",
    withGuest(async (id) => {
      const filled = await world.run(id, "dd if=/dev/zero of=big bs=1M; df --output=avail -m . | tail -1", 60_000);
      expect(filled.stderr).toContain("No space left on device");
      expect(Number(filled.stdout)).toBeLessThan(2);
      const put = await world.server.call("PUT", `/v1/environments/${id}/files/content?path=more`, {
        raw: Buffer.alloc(4 * MIB),
      });
      expect([put.status, put.json.code]).toEqual([507, "GUEST_DISK_FULL"]);
      const after = await world.run(id, "rm big; echo again > more; cat more; ls -A | grep -c microterm; rm more");
      expect(after.stdout).toBe("again\n0\n");
    }),
  );

  it(
    "is sent a file larger than its disk, which leaves nothing behind",
    withGuest(async (id) => {
      const before = (await world.run(id, "ls -A; df --output=used -m . | tail -1")).stdout;
      const chunk = Buffer.alloc(MIB, "x");
      const body = Readable.from(
        (function* () {
          for (let sent = 0; sent < 96; sent += 1) yield chunk;
        })(),
      );
      const answer = await fetch(`${world.server.url}/v1/environments/${id}/files/content?path=huge`, {
        method: "PUT",
        headers: { authorization: `Bearer ${world.server.token}`, "content-type": "application/octet-stream" },
        body: Readable.toWeb(body) as ReadableStream,
        duplex: "half",
      });
      const problem = (await answer.json()) as { code: string };
      expect([answer.status, problem.code]).toEqual([507, "GUEST_DISK_FULL"]);
      expect((await world.run(id, "ls -A; df --output=used -m . | tail -1")).stdout).toBe(before);
    }),
  );

  it(
    "forks without end, and its agent still answers and can kill it",
    withGuest(async (id) => {
      const client = await new TerminalClient(world.server, id, await terminalOf(id)).opened();
      await client.until("$ ");
      client.type("bomb() { bomb | bomb & }; bomb\n");
      await poll("the bomb to go off", async () => {
        const { guest } = await world.server.ok("GET", `/v1/environments/${id}/metrics`);
        return guest.processes > 150;
      });
      await client.close();
      const { terminals } = await world.server.ok("GET", `/v1/environments/${id}/terminals`);
      expect(terminals.length).toBeGreaterThan(0);
      await othersAnswer();
      await world.server.ok("POST", `/v1/environments/${id}/stop`);
      await world.until(id, "stopped");
    }),
  );

  it(
    "eats all memory and loses the eater alone",
    withGuest(async (id) => {
      const eater = await world.run(
        id,
        "python3 -c 'x=[bytearray(1<<20) for _ in range(1<<12)]'; echo ended $?",
        120_000,
      );
      expect(eater.stdout).toMatch(/^ended (137|1)\n$/);
      expect((await world.run(id, "echo alive")).stdout).toBe("alive\n");
    }),
  );
});

describe("a guest that attacks its own agent", () => {
  it(
    `prints ${FLOOD_MIB} MiB to a client that reads and one that does not, and the server stays as small as it was`,
    withGuest(async (id) => {
      const terminal = await terminalOf(id);
      const reader = await new TerminalClient(world.server, id, terminal, { keep: false }).opened();
      const stalled = await new TerminalClient(world.server, id, terminal, {
        acknowledge: false,
        keep: false,
      }).opened();
      await poll("the first output", () => reader.received > 0);
      const before = await residentBytes();
      let largest = before;
      reader.type(`head -c ${FLOOD_MIB}M /dev/zero | tr '\\0' y; echo; exit\n`);
      await poll(
        "the flood's end",
        async () => {
          largest = Math.max(largest, await residentBytes());
          return reader.frames.some((frame) => frame.startsWith("EXIT"));
        },
        280_000,
      );
      expect(reader.jumps).toEqual([]);
      const gaps = reader.frames.filter((frame) => frame.startsWith("GAP"));
      expect(gaps).toEqual([]);
      expect(reader.received).toBeGreaterThan(FLOOD_MIB * MIB);
      expect(largest - before).toBeLessThan(40 * MIB);
      stalled.socket.terminate();
    }),
  );

  it(
    "kills every process it may, PID 1 among them, and its agent answers",
    withGuest(async (id) => {
      // PID 1 ends the guest at SIGTERM, as other inits do: the program's own end may come first or not.
      const killed = await world
        .run(id, "sudo sh -c 'kill -9 1; kill -TERM 1; kill -USR1 1; true'; sleep 0; echo lives")
        .catch((error: Error) => error.message);
      if (typeof killed === "string") expect(killed).toContain("GUEST_UNREACHABLE");
      else expect(killed.stdout === "lives\n" || killed.code !== 0).toBe(true);
      // Its end may still be to come: the next test needs it behind.
      await world.until(id, "stopped");
    }),
  );

  it(
    "kills all children of PID 1, and gets new ones",
    withGuest(async (id) => {
      await world.server.call("POST", `/v1/environments/${id}/exec`, {
        body: { command: ["sudo", "sh", "-c", "kill -9 -1"], timeoutMs: 60_000 },
      });
      await expect
        .poll(async () => (await world.server.ok("GET", `/v1/environments/${id}/terminals`)).terminals[0]?.exit ?? null)
        .not.toBeNull();
      const opened = await world.server.ok("POST", `/v1/environments/${id}/terminals`, {});
      const client = await new TerminalClient(world.server, id, opened.id).opened();
      client.type("echo new-$((40+2))\n");
      await client.until("new-42");
      await client.close();
      expect((await world.run(id, "echo alive")).stdout).toBe("alive\n");
    }),
  );

  it(
    "writes to the channel's device, which is its agent's alone",
    withGuest(async (id) => {
      const script =
        'for d in /dev/vport*; do sudo sh -c "head -c 4096 /dev/urandom > $d" && echo wrote $d; done; ls /dev/vport*';
      const { stdout, stderr } = await world.run(id, script);
      expect(stdout).toMatch(/^\/dev\/vport\w+\n$/);
      expect(stderr).toMatch(/Device or resource busy/);
      expect((await world.run(id, "echo alive")).stdout).toBe("alive\n");
    }),
  );

  it(
    "stalls 100 streams, and other calls still answer",
    withGuest(async (id) => {
      const flooding = { command: ["cat", "/dev/zero"] };
      const { id: terminal } = await world.server.ok("POST", `/v1/environments/${id}/terminals`, flooding);
      const address = `${world.server.url.replace("http", "ws")}/v1/environments/${id}`;
      const options = { headers: { authorization: `Bearer ${world.server.token}` }, perMessageDeflate: false };
      const start = Buffer.concat([Buffer.of(FRAME.start), Buffer.from(JSON.stringify({ ...flooding, tty: null }))]);
      const sockets: WebSocket[] = [];
      const begun = new Set<WebSocket>();
      try {
        // Of programs a guest runs 64 at a time; of terminals' readers it may have any number.
        for (let index = 0; index < 50; index += 1) {
          const program = new WebSocket(`${address}/exec`, [EXEC_SUBPROTOCOL], options);
          program.once("open", () => program.send(start));
          const reader = new WebSocket(`${address}/terminals/${terminal}/attach`, [TERMINAL_SUBPROTOCOL], options);
          for (const socket of [program, reader]) {
            socket.on("error", () => undefined);
            // Takes nothing more once its stream has begun to flow.
            socket.once("message", () => {
              begun.add(socket);
              socket.pause();
            });
            sockets.push(socket);
          }
        }
        // Under emulation a guest takes its time to start fifty programs that flood.
        await poll("100 streams to flow", () => begun.size === sockets.length, 180_000);
        // A program shares its guest's one CPU with the fifty, until all of their streams are full.
        expect((await world.run(id, "echo alive", 60_000)).stdout).toBe("alive\n");
        expect(await answersWithin(world.server, `/v1/environments/${id}/files/list?path=.`, PROMPT_MS)).toBe(200);
        await othersAnswer();
      } finally {
        for (const socket of sockets) socket.terminate();
      }
      await poll(
        "the programs' end",
        async () => (await world.run(id, "pgrep -c -f '^cat /dev/zero'")).stdout === "1\n",
      );
      await world.server.call("DELETE", `/v1/environments/${id}/terminals/${terminal}`);
    }),
  );
});

describe("a guest that ends", () => {
  it(
    "by powering off or rebooting is stopped and keeps its disk",
    withGuest(async (id) => {
      for (const verb of ["poweroff", "reboot"]) {
        await world.run(id, `echo ${verb} >> log; sync`);
        await world.server.call("POST", `/v1/environments/${id}/exec`, { body: { command: ["sudo", verb] } });
        expect(await world.until(id, "stopped")).toMatchObject({ reason: "the guest powered off" });
        await world.server.ok("POST", `/v1/environments/${id}/start`);
        await world.until(id, "running");
      }
      expect((await world.run(id, "cat log")).stdout).toBe("poweroff\nreboot\n");
    }),
  );

  const act = async (id: string, action: string, state: string): Promise<void> => {
    await world.server.ok("POST", `/v1/environments/${id}/${action}`);
    await world.until(id, state);
  };
  const waysToLive: readonly (readonly [string, Bring])[] = [
    ["was booted", async () => {}],
    [
      "was paused and resumed",
      async (id) => {
        await act(id, "pause", "paused");
        await act(id, "resume", "running");
      },
    ],
    ["was taken over by another server", () => world.restartServer()],
    ["stays where it is after a panic", (id) => world.run(id, "sudo sh -c 'echo 0 > /proc/sys/kernel/panic'")],
  ];
  it.each(waysToLive)(
    "by a panic of its kernel has failed, with the reason, and starts again, where it %s",
    withGuest(async (id, bring) => {
      await world.run(id, "echo kept > log; sync");
      await bring(id);
      const crash = world.server.call("POST", `/v1/environments/${id}/exec`, {
        body: { command: ["sudo", "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger"] },
      });
      const failed = await world.until(id, "failed", "stopped");
      expect(failed.state).toBe("failed");
      expect(failed.reason).toMatch(/panic/i);
      expect((await crash).json.code).toMatch(/^(GUEST_UNREACHABLE|ENVIRONMENT_STATE)$/);
      expect((await world.server.call("GET", `/v1/environments/${id}/logs`)).text).toContain("Kernel panic");
      await world.server.ok("POST", `/v1/environments/${id}/start`);
      await world.until(id, "running");
      expect((await world.run(id, "cat log")).stdout).toBe("kept\n");
    }),
  );
});
