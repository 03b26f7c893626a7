import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentLink, openResynced } from "@microterm/agent-client";
import type { Abortable, GuestAgent, Machine, MachineEnd, Removed } from "@microterm/core";
import { type HostDaemonClient, lastWords } from "@microterm/host";
import type { MachineId } from "@microterm/protocol";
import type { Monitor } from "./monitor/monitor.ts";
import type { Vmm } from "./vmm.ts";

export interface HostMachineOptions {
  readonly id: MachineId;
  readonly vmm: Vmm;
  readonly daemon: HostDaemonClient;
  /** The machine's folder, with its sockets. */
  readonly folder: string;
  /** 32 hexadecimal digits. */
  readonly channelKey: string;
  /** Called when the machine is no longer followed. */
  readonly released?: () => void;
}

/** One jailed VMM: its monitor, the channel to its guest's agent, and the daemon that kills it. */
export class HostMachine implements Machine {
  readonly id: MachineId;
  readonly ended: Promise<MachineEnd>;
  readonly #vmm: Vmm;
  readonly #daemon: HostDaemonClient;
  readonly #monitor: Monitor;
  readonly #link: AgentLink;
  readonly #stderrLog: string;
  readonly #released: () => void;

  constructor({ id, vmm, daemon, folder, channelKey, released = () => {} }: HostMachineOptions) {
    this.id = id;
    this.#vmm = vmm;
    this.#daemon = daemon;
    this.#released = released;
    this.#stderrLog = join(folder, "stderr.log");
    let resolveEnded: (end: MachineEnd) => void = () => {};
    this.ended = new Promise((resolve) => {
      resolveEnded = resolve;
    });
    this.#monitor = vmm.createMonitor({
      path: join(folder, vmm.monitorSocket),
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
      ...vmm.channel,
      onConnected: () => this.#monitor.booted(),
    });
  }

  /** Rejects when the VMM's monitor cannot be reached. */
  async follow(signal?: AbortSignal): Promise<void> {
    try {
      await this.#monitor.start(signal);
    } catch (error) {
      const said = await this.#complaint();
      throw said === "" ? error : new Error(`${this.#vmm.title} said: ${said}`, { cause: error });
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

  /** The end of the VMM's standard error, which microterm-host keeps where it lets the server read it. */
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
