import { connectQmp, lastWords, type QmpClient, type QmpEvent } from "@microterm/host";
import { ConsoleTail } from "../host/monitor/console-tail.ts";
import { died, EndReport, POWERED_OFF, panicked } from "../host/monitor/end-report.ts";
import type { Monitor, MonitorOptions } from "../host/monitor/monitor.ts";
import { Reconnection } from "../host/monitor/reconnection.ts";
import { sharedRead } from "../host/monitor/shared-read.ts";

const CALL_MS = 5000;
/** The console is taken this often while a guest boots: its last words before a crash are in it. */
const BOOT_POLL_MS = 5000;
/** QEMU stops a guest whose disk finds no space on the host; it is continued this often, to see whether there is some now. */
const SPACE_RETRY_MS = 2000;
/** The chardev of the serial console, as microterm-host names it. */
const CONSOLE = "con";

/** Follows one QEMU through its monitor: whether it still runs its guest, and what the guest's console says. */
export class QemuMonitor implements Monitor {
  readonly #options: MonitorOptions;
  readonly #tail = new ConsoleTail();
  readonly #report: EndReport;
  readonly #reconnection: Reconnection;
  readonly #takeConsole = sharedRead(() => this.#readConsole());
  #qmp: QmpClient | undefined;
  #poll: NodeJS.Timeout | undefined;
  #resuming: NodeJS.Timeout | undefined;
  #isShuttingDown = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#report = new EndReport((end) => {
      clearInterval(this.#poll);
      clearTimeout(this.#resuming);
      options.ended(end);
    });
    this.#reconnection = new Reconnection({
      report: this.#report,
      isAlive: options.isAlive,
      connect: () => this.#connect(),
      died: () => this.#died(),
      // A VMM that was taken over may close its socket and live on.
      isRefusalDeath: false,
    });
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
    if (panic !== null) this.#report.end(panicked(panic));
  }

  async console(): Promise<Uint8Array> {
    await this.#takeConsole();
    return this.#tail.bytes;
  }

  /** Nothing continues the guest that is being saved. */
  expectEnd(): void {
    clearTimeout(this.#resuming);
    this.#resuming = undefined;
    this.#report.expectEnd();
  }

  expectNoEnd(): void {
    this.#report.expectNoEnd();
    // A request that failed for want of space while it was being saved was passed over.
    void this.#qmp?.status().then(
      (status) => status === "io-error" && this.#resumeLater(),
      () => {},
    );
  }

  release(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#resuming);
    this.#report.release();
    this.#qmp?.close();
  }

  async #connect(signal?: AbortSignal): Promise<void> {
    const { path } = this.#options;
    const released = this.#report.signal;
    const signals = signal === undefined ? released : AbortSignal.any([signal, released]);
    const qmp = await connectQmp({ path, timeoutMs: CALL_MS, signal: signals, onEvent: (event) => this.#event(event) });
    this.#qmp = qmp;
    this.#reconnection.connected();
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
    if (this.#report.isOver || this.#report.isExpected) return;
    this.#resuming ??= setTimeout(() => {
      this.#resuming = undefined;
      void this.#qmp?.resume().catch(() => {});
    }, SPACE_RETRY_MS).unref();
  }

  /** A VMM that was taken over says it as often as it likes: one is enough. */
  async #shutDown(): Promise<void> {
    if (this.#isShuttingDown || this.#report.isOver) return;
    this.#isShuttingDown = true;
    await this.#takeConsole();
    this.#isShuttingDown = false;
    const { panic } = this.#tail;
    this.#report.end(panic === null ? POWERED_OFF : panicked(panic));
  }

  async #hungUp(): Promise<void> {
    this.#qmp = undefined;
    await this.#reconnection.begin();
  }

  async #died(): Promise<void> {
    const said = await this.#options.complaint();
    const words = lastWords(this.#tail.bytes);
    this.#report.end(died("the VMM's process ended", { title: "QEMU", said, words }));
  }

  async #readConsole(): Promise<void> {
    const piece = await this.#qmp?.takeConsole(CONSOLE).catch(() => undefined);
    if (piece !== undefined) this.#tail.add(piece);
  }
}
