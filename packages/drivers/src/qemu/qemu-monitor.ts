import type { MachineEnd } from "@microterm/core";
import { connectQmp, lastWords, pause, type QmpClient, type QmpEvent, systemCode } from "@microterm/host";
import { ConsoleTail } from "./qemu-console.ts";

const CALL_MS = 5000;
/** The console is taken this often while a guest boots: its last words before a crash are in it. */
const BOOT_POLL_MS = 5000;
/** Between two attempts to reach a monitor that hung up though its VMM may live, ms. */
const RETRY_MS = 100;
const MAX_RETRY_MS = 5000;
/** QEMU stops a guest whose disk finds no space on the host; it is continued this often, to see whether there is some now. */
const SPACE_RETRY_MS = 2000;
/** The chardev of the serial console, as microterm-host names it. */
const CONSOLE = "con";

export interface QemuMonitorOptions {
  readonly path: string;
  /** Whether the VMM's process runs, by the daemon. Rejects when the daemon cannot say. */
  readonly isAlive: () => Promise<boolean>;
  /** What QEMU itself said on its standard error, or "". */
  readonly complaint: () => Promise<string>;
  readonly ended: (end: MachineEnd) => void;
}

/** Follows one QEMU through its monitor: whether it still runs its guest, and what the guest's console says. */
export class QemuMonitor {
  readonly #options: QemuMonitorOptions;
  readonly #tail = new ConsoleTail();
  readonly #released = new AbortController();
  #qmp: QmpClient | undefined;
  #poll: NodeJS.Timeout | undefined;
  #resuming: NodeJS.Timeout | undefined;
  #hasEnded = false;
  #isShuttingDown = false;
  #taking: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** Until the next attempt to reach a monitor that hung up; longer for one that hangs up again and again. */
  #retryMs = RETRY_MS;
  #connectedAt = 0;
  /** While the machine is being saved: the end that was seen, if any. */
  #expected: { end: MachineEnd | undefined } | undefined;

  constructor(options: QemuMonitorOptions) {
    this.#options = options;
  }

  /** Rejects when the monitor cannot be reached: the VMM is dead, or about to be. */
  async start(signal?: AbortSignal): Promise<void> {
    await this.#connect(signal);
    this.#poll = setInterval(() => void this.#takeConsole(), BOOT_POLL_MS);
    this.#poll.unref();
  }

  /** The guest has booted: its console is read only when somebody asks. */
  booted(): void {
    clearInterval(this.#poll);
    // What was printed until now is safe from here on, should the VMM die.
    void this.#takeConsole();
  }

  /** The guest is silent: has it shut down, or did its kernel die without its VMM hearing of it? */
  async examine(): Promise<void> {
    const status = await this.#qmp?.status();
    if (status === "shutdown") await this.#shutDown();
    if (status !== "running") return;
    await this.#takeConsole();
    const { panic } = this.#tail;
    if (panic !== null) this.#panicked(panic);
  }

  async console(): Promise<Uint8Array> {
    await this.#takeConsole();
    return this.#tail.bytes;
  }

  /** Ends are held back until `expectNoEnd`; and nothing continues the guest that is being saved. */
  expectEnd(): void {
    clearTimeout(this.#resuming);
    this.#resuming = undefined;
    this.#expected ??= { end: undefined };
  }

  expectNoEnd(): void {
    const end = this.#expected?.end;
    this.#expected = undefined;
    if (end !== undefined) this.#end(end);
    // A request that failed for want of space while it was being saved was passed over.
    else
      void this.#qmp?.status().then(
        (status) => status === "io-error" && this.#resumeLater(),
        () => {},
      );
  }

  release(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#resuming);
    this.#released.abort(new Error("the machine was released"));
    this.#qmp?.close();
  }

  async #connect(signal?: AbortSignal): Promise<void> {
    const { path } = this.#options;
    const signals = signal === undefined ? this.#released.signal : AbortSignal.any([signal, this.#released.signal]);
    const qmp = await connectQmp({ path, timeoutMs: CALL_MS, signal: signals, onEvent: (event) => this.#event(event) });
    this.#qmp = qmp;
    this.#connectedAt = performance.now();
    try {
      // A guest that powered off while nobody looked left its VMM in this state.
      const status = await qmp.status();
      if (status === "shutdown") await this.#shutDown();
      if (status === "io-error") this.#resumeLater();
    } catch (error) {
      qmp.close();
      throw error;
    }
    void qmp.closed.then(() => this.#hungUp());
  }

  #event(event: QmpEvent): void {
    if (event.name === "SHUTDOWN") void this.#shutDown();
    // Sent once for each request that failed, and by a VMM that was taken over as often as it likes: one timer for all.
    if (event.name === "BLOCK_IO_ERROR" && event.data.action === "stop") this.#resumeLater();
  }

  #resumeLater(): void {
    if (this.#isOver() || this.#expected !== undefined) return;
    this.#resuming ??= setTimeout(() => {
      this.#resuming = undefined;
      void this.#qmp?.resume().catch(() => {});
    }, SPACE_RETRY_MS).unref();
  }

  /** A VMM that was taken over says it as often as it likes: one is enough. */
  async #shutDown(): Promise<void> {
    if (this.#isShuttingDown || this.#isOver()) return;
    this.#isShuttingDown = true;
    await this.#takeConsole();
    this.#isShuttingDown = false;
    const { panic } = this.#tail;
    if (panic !== null) this.#panicked(panic);
    else this.#end({ kind: "powered-off", reason: "the guest powered off" });
  }

  #panicked(panic: string): void {
    this.#end({ kind: "panicked", reason: `the guest's kernel died: ${panic}` });
  }

  /** A VMM never hangs up while it lives, unless its guest has taken it over. */
  async #hungUp(): Promise<void> {
    this.#qmp = undefined;
    const lasted = performance.now() - this.#connectedAt;
    if (lasted > MAX_RETRY_MS) this.#retryMs = RETRY_MS;
    for (let isFirst = lasted > MAX_RETRY_MS; !this.#isOver(); isFirst = false) {
      const alive = await this.#options.isAlive().catch(() => undefined);
      if (this.#isOver()) return;
      if (alive === false) {
        await this.#died();
        return;
      }
      if (!isFirst) {
        await pause(this.#retryMs, this.#released.signal).catch(() => {});
        this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
      }
      try {
        await this.#connect();
        return;
      } catch (error) {
        // Nobody listens, and the daemon cannot say otherwise.
        if (alive === undefined && systemCode(error) === "ECONNREFUSED") {
          await this.#died();
          return;
        }
      }
    }
  }

  #isOver(): boolean {
    return this.#hasEnded || this.#released.signal.aborted;
  }

  #end(end: MachineEnd): void {
    if (this.#isOver()) return;
    if (this.#expected !== undefined) {
      this.#expected.end ??= end;
      return;
    }
    this.#hasEnded = true;
    clearInterval(this.#poll);
    clearTimeout(this.#resuming);
    this.#options.ended(end);
  }

  async #died(): Promise<void> {
    const said = await this.#options.complaint();
    const words = lastWords(this.#tail.bytes);
    const reason = [
      "the VMM's process ended",
      ...(said === "" ? [] : [`QEMU said: ${said}`]),
      ...(words === "" ? [] : [`last on its console: ${words}`]),
    ].join("; ");
    this.#end({ kind: "died", reason });
  }

  /** One read at a time. Callers that come meanwhile share the next, which sees all that was printed before they asked. */
  #takeConsole(): Promise<void> {
    if (this.#taking === undefined) {
      this.#taking = this.#readConsole().finally(() => {
        this.#taking = undefined;
      });
      return this.#taking;
    }
    this.#next ??= this.#taking.then(() => {
      this.#next = undefined;
      return this.#takeConsole();
    });
    return this.#next;
  }

  async #readConsole(): Promise<void> {
    const piece = await this.#qmp?.takeConsole(CONSOLE).catch(() => undefined);
    if (piece !== undefined) this.#tail.add(piece);
  }
}
