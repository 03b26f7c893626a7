import { AgentLink } from "@microterm/agent-client";
import type { Abortable, GuestAgent, Machine, MachineEnd, Removed } from "@microterm/core";
import { connectUnix, isRunning, lastWords, type ProcessEntry } from "@microterm/host";
import type { MachineId } from "@microterm/protocol";

/** How often a process that is not our child is looked at, ms: a few calls by Node's threads, 0.05 % of a core. */
const WATCH_MS = 1000;

export interface ProcessMachineOptions {
  readonly id: MachineId;
  readonly entry: ProcessEntry;
  readonly socket: string;
  /** Of the server that holds it. */
  readonly epoch: number;
  /** Known for our own child only. */
  readonly exited?: Promise<void>;
  readonly readLog: () => Promise<Uint8Array>;
  readonly remove: () => Promise<Removed>;
}

/** A process tree with an agent at its root. */
export class ProcessMachine implements Machine {
  readonly id: MachineId;
  readonly ended: Promise<MachineEnd>;
  readonly #options: ProcessMachineOptions;
  readonly #link: AgentLink;
  #watch: NodeJS.Timeout | undefined;
  #isReleased = false;
  #resolveEnded: (end: MachineEnd) => void = () => {};

  constructor(options: ProcessMachineOptions) {
    this.id = options.id;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#link = new AgentLink({ open: (limits) => connectUnix(options.socket, limits), epoch: options.epoch });
    if (options.exited !== undefined) {
      void options.exited.then(() => this.#look());
      return;
    }
    this.#watch = setInterval(() => void this.#look(), WATCH_MS);
    this.#watch.unref();
  }

  agent(options: Abortable & { readonly timeoutMs: number }): Promise<GuestAgent> {
    return this.#link.agent(options);
  }

  /** Its process is looked at anyway. */
  examine(): Promise<void> {
    return Promise.resolve();
  }

  console(): Promise<Uint8Array> {
    return Promise.resolve(
      Buffer.from("The process driver has no serial console: its environments are processes of this host.\n"),
    );
  }

  async stop(): Promise<Removed> {
    this.#leave("the machine was stopped");
    return await this.#options.remove();
  }

  release(): void {
    this.#leave("the machine was released");
  }

  #leave(reason: string): void {
    this.#isReleased = true;
    clearInterval(this.#watch);
    this.#link.end(reason);
  }

  async #look(): Promise<void> {
    if (this.#isReleased || (await isRunning(this.#options.entry))) return;
    const words = lastWords(await this.#options.readLog());
    if (this.#isReleased) return;
    this.#leave("the agent's process has ended");
    this.#resolveEnded({
      kind: "died",
      reason: words === "" ? "the agent's process has ended" : `the agent's process has ended: ${words}`,
    });
  }
}
