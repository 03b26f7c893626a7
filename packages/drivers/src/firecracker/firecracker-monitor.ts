import { lastWords } from "@microterm/host";
import { ConsoleTail } from "../host/monitor/console-tail.ts";
import { died, EndReport, POWERED_OFF, panicked } from "../host/monitor/end-report.ts";
import type { Monitor, MonitorOptions } from "../host/monitor/monitor.ts";
import { Reconnection } from "../host/monitor/reconnection.ts";
import { sharedRead } from "../host/monitor/shared-read.ts";
import { openWatch, readConsole, type VmmEnd, type Watch } from "./watch-socket.ts";

const CALL_MS = 5000;

/** Follows one Firecracker through the process beside it: how it ended, and what its guest's console says. */
export class FirecrackerMonitor implements Monitor {
  readonly #options: MonitorOptions;
  readonly #tail = new ConsoleTail();
  readonly #report: EndReport;
  readonly #reconnection: Reconnection;
  readonly #takeConsole = sharedRead(() => this.#readConsole());
  #watch: Watch | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#report = new EndReport(options.ended);
    this.#reconnection = new Reconnection({
      report: this.#report,
      isAlive: options.isAlive,
      connect: () => this.#connect(),
      died: () => this.#died("the VMM's process ended"),
      // Its listener alone can say how it ends. Without one, the machine cannot be followed, and never again.
      isRefusalDeath: true,
    });
  }

  start(signal?: AbortSignal): Promise<void> {
    return this.#connect(signal);
  }

  /** The console comes with the end: nothing has to be brought into safety. */
  booted(): void {}

  async examine(): Promise<void> {
    await this.#takeConsole();
    const { panic } = this.#tail;
    if (panic !== null) this.#report.end(panicked(panic));
  }

  async console(): Promise<Uint8Array> {
    await this.#takeConsole().catch(() => {});
    return this.#tail.bytes;
  }

  expectEnd(): void {
    this.#report.expectEnd();
  }

  expectNoEnd(): void {
    this.#report.expectNoEnd();
  }

  release(): void {
    this.#report.release();
    this.#watch?.close();
  }

  async #connect(signal?: AbortSignal): Promise<void> {
    const released = this.#report.signal;
    const watch = await openWatch(this.#options.path, {
      timeoutMs: CALL_MS,
      signal: signal === undefined ? released : AbortSignal.any([signal, released]),
    });
    this.#watch = watch;
    this.#reconnection.connected();
    void watch.end.then((end) => this.#closed(end));
  }

  async #closed(end: VmmEnd | null): Promise<void> {
    if (this.#report.isOver) return;
    if (end === null) return await this.#reconnection.begin();
    this.#tail.set(end.console);
    const { panic } = this.#tail;
    if (end.kind === "signal") await this.#died(`Firecracker was ended by signal ${end.number}`);
    else if (end.number !== 0) await this.#died(`Firecracker ended with code ${end.number}`);
    // It resets, whether its kernel died or powers off.
    else this.#report.end(panic === null ? POWERED_OFF : panicked(panic));
  }

  async #died(what: string): Promise<void> {
    const said = await this.#options.complaint();
    const words = lastWords(this.#tail.bytes);
    this.#report.end(died(what, { title: "Firecracker", said, words }));
  }

  async #readConsole(): Promise<void> {
    const { signal } = this.#report;
    this.#tail.set(await readConsole(this.#options.path, { timeoutMs: CALL_MS, signal }));
  }
}
