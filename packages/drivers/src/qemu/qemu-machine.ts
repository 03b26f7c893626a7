import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentLink, openResynced } from "@microterm/agent-client";
import type { Abortable, GuestAgent, Machine, MachineEnd, Removed } from "@microterm/core";
import { type HostDaemonClient, lastWords } from "@microterm/host";
import type { MachineId } from "@microterm/protocol";
import { QemuMonitor } from "./qemu-monitor.ts";

export interface QemuMachineOptions {
  readonly id: MachineId;
  readonly daemon: HostDaemonClient;
  /** The machine's folder, with its two sockets. */
  readonly folder: string;
  /** 32 hexadecimal digits. */
  readonly channelKey: string;
  /** Called when the machine is no longer followed. */
  readonly released?: () => void;
}

/** One jailed QEMU: its monitor, the channel to its guest's agent, and the daemon that kills it. */
export class QemuMachine implements Machine {
  readonly id: MachineId;
  readonly ended: Promise<MachineEnd>;
  readonly #daemon: HostDaemonClient;
  readonly #monitor: QemuMonitor;
  readonly #link: AgentLink;
  readonly #stderrLog: string;
  readonly #released: () => void;

  constructor({ id, daemon, folder, channelKey, released = () => {} }: QemuMachineOptions) {
    this.id = id;
    this.#daemon = daemon;
    this.#released = released;
    this.#stderrLog = join(folder, "stderr.log");
    let resolveEnded: (end: MachineEnd) => void = () => {};
    this.ended = new Promise((resolve) => {
      resolveEnded = resolve;
    });
    this.#monitor = new QemuMonitor({
      path: join(folder, "qmp.sock"),
      isAlive: async () => (await daemon.list()).machines.some((found) => found.machineId === id && found.alive),
      complaint: () => this.#complaint(),
      ended: (end) => {
        this.#link.end(`the machine has ended: ${end.reason}`);
        resolveEnded(end);
      },
    });
    const key = Buffer.from(channelKey, "hex");
    this.#link = new AgentLink({
      open: (limits) => openResynced(join(folder, "agent.sock"), key, limits),
      onConnected: () => this.#monitor.booted(),
    });
  }

  /** Rejects when the VMM's monitor cannot be reached. */
  async follow(signal?: AbortSignal): Promise<void> {
    try {
      await this.#monitor.start(signal);
    } catch (error) {
      const said = await this.#complaint();
      throw said === "" ? error : new Error(`QEMU said: ${said}`, { cause: error });
    }
  }

  agent(options: Abortable & { readonly timeoutMs: number }): Promise<GuestAgent> {
    return this.#link.agent(options);
  }

  examine(): Promise<void> {
    return this.#monitor.examine();
  }

  console(): Promise<Uint8Array> {
    return this.#monitor.console();
  }

  /** It is being saved: that its VMM stops and ends is no end of the machine's own. */
  expectEnd(): void {
    this.#monitor.expectEnd();
  }

  /** It was not saved after all. An end that came meanwhile is reported now. */
  expectNoEnd(): void {
    this.#monitor.expectNoEnd();
  }

  /** The end of QEMU's standard error, which microterm-host keeps where it lets the server read it. */
  async #complaint(): Promise<string> {
    return lastWords(await readFile(this.#stderrLog).catch(() => Buffer.alloc(0)));
  }

  async stop(): Promise<Removed> {
    this.release();
    return await this.#daemon.kill(this.id);
  }

  release(): void {
    this.#monitor.release();
    this.#link.end("the machine was stopped or released");
    this.#released();
  }
}
