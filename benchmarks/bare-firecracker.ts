import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { copyFile, link as hardLink, mkdir, mkdtemp } from "node:fs/promises";
import { request } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AgentLink, openResynced } from "@microterm/agent-client";
import { runCommand, systemCode } from "@microterm/host";
import { join as joinConnections } from "../support/internet/join-connections.ts";
import type { TestDaemon } from "../support/test-daemon.ts";
import type { BareGuest } from "./bare-qemu.ts";

/** Where the agent listens (docs/reference/host-protocol.md, Firecracker). */
const AGENT_PORT = 1024;
const BOOT_MS = 120_000;
const CALL_MS = 60_000;
/** Between two attempts to reach a socket that is just being made, ms. */
const STEP_MS = 1;
/** As the driver opens it: the first connection after a restore often dies. */
const CHANNEL = { retriesAtOnce: 4, attemptMs: 5000 };

/** Bodies of Firecracker's API, as `GET /vm/config` gives them. */
type Body = Readonly<Record<string, unknown>>;

/** A jailed machine's guest, to be had without jail, shim, daemon and server. */
export interface FirecrackerRecipe {
  readonly imageFolder: string;
  /** To be copied. */
  readonly disk: string;
  readonly magic: Buffer;
  /** A snapshot's folder, or what to configure for a boot. */
  readonly from: { readonly snapshot: string } | { readonly config: Body };
}

export interface BareFirecracker extends BareGuest {
  /** Of the call that boots the guest, or loads its snapshot and lets it run, ms. */
  readonly callMs: number;
}

/** Reads how a machine of the daemon's that runs now was configured, so that the bare guest is always the product's own. */
export async function firecrackerRecipeOf(daemon: TestDaemon, blankDisk: string): Promise<FirecrackerRecipe> {
  const found = (await daemon.client.list()).machines.find(({ vmm, magic }) => vmm === "firecracker" && magic !== null);
  if (found?.magic == null) throw new Error("no Firecracker runs to read a configuration from");
  const config = await call(join(daemon.machinesDir, found.machineId, "control.sock"), "GET", "/vm/config");
  return { ...imageOf(daemon), disk: blankDisk, magic: Buffer.from(found.magic, "hex"), from: { config } };
}

/** Of a machine that was restored from that template. */
export const restoredRecipe = (daemon: TestDaemon, template: string, magic: string): FirecrackerRecipe => ({
  ...imageOf(daemon),
  ...{ disk: join(template, "disk"), magic: Buffer.from(magic, "hex"), from: { snapshot: template } },
});

const imageOf = (daemon: TestDaemon) => ({ imageFolder: join(daemon.data, "host/images", daemon.image.key) });

/** Boots or restores the guest. Paths are those of the jail, in a root that is made for it; nothing else of the jail is there. */
export async function startFirecracker({
  imageFolder,
  disk,
  magic,
  from,
}: FirecrackerRecipe): Promise<BareFirecracker> {
  const program = process.env.MICROTERM_FIRECRACKER;
  if (program === undefined) throw new Error("MICROTERM_FIRECRACKER names no Firecracker");
  const root = await mkdtemp(join(tmpdir(), "mt-bare-"));
  await layOut(root, program, imageFolder);
  if ("snapshot" in from) {
    for (const name of ["memory", "state"]) await linkOrCopy(join(from.snapshot, name), join(root, "restored", name));
  }
  // Node's own copy would fill the holes of a sparse file.
  await runCommand(["cp", "--sparse=always", disk, join(root, "disk.ext4")]);
  const relay = relayVsock(join(root, "v.sock"));
  await new Promise<void>((resolve) => relay.listen(join(root, "agent.sock"), resolve));

  const begun = performance.now();
  const vmm = spawn("chroot", [root, "/firecracker", "--api-sock", "/api.sock"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  vmm.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  const ended = new Promise<void>((resolve) => {
    vmm.once("error", () => resolve());
    vmm.once("close", () => resolve());
  });
  const link = new AgentLink({ open: (limits) => openResynced(join(root, "agent.sock"), magic, limits), ...CHANNEL });
  void ended.then(() => link.end(`the bare guest's Firecracker ended: ${said}`));
  const remove = (): void => {
    vmm.kill("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  };
  // A run that is interrupted has nothing else to end it.
  process.once("exit", remove);
  const close = async (): Promise<void> => {
    link.end("the benchmark is over");
    vmm.kill("SIGKILL");
    await ended;
    relay.close();
    process.off("exit", remove);
    remove();
  };
  try {
    const api = join(root, "api.sock");
    const callMs = await ("snapshot" in from ? load(api) : boot(api, from.config));
    const agent = await link.agent({ timeoutMs: BOOT_MS });
    return { agent, pid: vmm.pid ?? 0, folder: root, startMs: performance.now() - begun, callMs, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function layOut(root: string, program: string, imageFolder: string): Promise<void> {
  await copyFile(program, join(root, "firecracker"));
  for (const name of ["vmlinuz", "initrd.cpio", "root.erofs"]) {
    await linkOrCopy(join(imageFolder, name), join(root, "image", name));
  }
  await mkdir(join(root, "dev"));
  for (const device of ["/dev/kvm", "/dev/urandom"]) {
    const { code, stderr } = await runCommand(["cp", "-a", device, join(root, "dev")]);
    if (code !== 0) throw new Error(stderr);
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await hardLink(from, to).catch(() => copyFile(from, to));
}

/** Does all that the daemon does, in its order. */
async function boot(api: string, config: Body): Promise<number> {
  const put = (path: string, body: unknown) => call(api, "PUT", path, body);
  await put("/machine-config", config["machine-config"]);
  await put("/boot-source", config["boot-source"]);
  for (const drive of config.drives as readonly Body[]) await put(`/drives/${drive.drive_id}`, drive);
  await put("/vsock", config.vsock);
  await put("/entropy", config.entropy ?? {});
  return timed(() => put("/actions", { action_type: "InstanceStart" }));
}

async function load(api: string): Promise<number> {
  const backend = { backend_type: "File", backend_path: "/restored/memory" };
  const body = { snapshot_path: "/restored/state", mem_backend: backend, resume_vm: true };
  // What waits for Firecracker's own start is not the load's.
  await call(api, "GET", "/");
  return timed(() => call(api, "PUT", "/snapshot/load", body));
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await action();
  return performance.now() - begun;
}

/** Waits for the socket. Rejects with Firecracker's own words. */
async function call(socketPath: string, method: string, path: string, body?: unknown): Promise<Body> {
  for (const until = Date.now() + CALL_MS; ; await delay(STEP_MS)) {
    try {
      return await callOnce(socketPath, method, path, body);
    } catch (error) {
      const isEarly = ["ENOENT", "ECONNREFUSED"].includes(systemCode(error) ?? "");
      if (!isEarly || Date.now() > until) throw error;
    }
  }
}

function callOnce(socketPath: string, method: string, path: string, body: unknown): Promise<Body> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, timeout: CALL_MS }, (answer) => {
      let said = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => {
        said += chunk;
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if ((answer.statusCode ?? 500) >= 300) reject(new Error(`${method} ${path}: ${said}`));
        else resolve(said === "" ? {} : JSON.parse(said));
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${path} was not answered`)));
    sent.on("error", reject);
    sent.end(text);
  });
}

/** Gives each connection the guest's port (Firecracker's docs/vsock.md), so that the channel is a plain stream, as it is for QEMU. */
function relayVsock(socketPath: string): Server {
  return createServer({ pauseOnConnect: true }, (client) => {
    const guest = connect(socketPath);
    const drop = (): void => {
      client.destroy();
      guest.destroy();
    };
    for (const end of [client, guest]) end.on("error", drop).on("close", drop);
    guest.write(`CONNECT ${AGENT_PORT}\n`);
    void greeted(guest).then((isGranted) => {
      if (!isGranted) return drop();
      joinConnections(client, guest);
      client.resume();
    });
  });
}

/** Whether the guest has accepted. What follows is left to be read. */
function greeted(guest: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf("\n");
      if (end === -1 && answer.length < 32) return;
      guest.off("data", read);
      guest.pause();
      if (end !== -1) guest.unshift(answer.subarray(end + 1));
      resolve(end !== -1 && answer.subarray(0, 3).toString() === "OK ");
    };
    guest.on("data", read);
    guest.once("close", () => resolve(false));
  });
}
