/** The worker thread with the screen models of all terminals: parsing a flood here delays no client's keys. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { CellBudget } from "./cell-budget.ts";
import { type FromWorker, type ToWorker, WORKER_NOW } from "./model-messages.ts";
import { ModelTurns, type Step } from "./model-turns.ts";
import type { CreateScreenModel, ScreenModel } from "./screen-model.ts";
import { spentMs } from "./worker-time.ts";
import { XtermScreenModel } from "./xterm/xterm-screen-model.ts";

/** How long after a model came to rest its garbage is collected: others may follow it. */
const COLLECT_AFTER_MS = 1000;
/** What is still to be drawn when the server stops is drawn for so long; the next server reads the rest again. */
const DRAW_AT_STOP_MS = 1000;

type To<K extends ToWorker["kind"]> = Extract<ToWorker, { kind: K }>;

function serve(port: MessagePort, now: Int32Array, createModel: CreateScreenModel): void {
  const send = (message: FromWorker): void => port.postMessage(message);
  const models = new Map<number, ScreenModel>();
  /** Models whose screens are to be kept once they have drawn all, by where: ends each at once. */
  const closing = new Map<string, () => void>();
  let collecting: NodeJS.Timeout | undefined;
  const rested = (): void => {
    clearTimeout(collecting);
    collecting = setTimeout(() => globalThis.gc?.(), COLLECT_AFTER_MS);
  };

  const fault = (key: number, lost: "write" | "screen", error: unknown): void =>
    send({ kind: "fault", key, lost, text: error instanceof Error ? (error.stack ?? error.message) : String(error) });

  /**
   * Leaves the key behind when the worker dies of it. What is thrown in it costs this one model its screen, which restarts; what is
   * thrown over output alone has cost no more than a write by then.
   */
  const during = (key: number, work: () => void): boolean => {
    Atomics.store(now, WORKER_NOW.busy, key);
    Atomics.add(now, WORKER_NOW.steps, 1);
    try {
      work();
      return true;
    } catch (error) {
      fault(key, "screen", error);
      models.get(key)?.reset();
      return false;
    } finally {
      Atomics.store(now, WORKER_NOW.busy, 0);
    }
  };

  // xterm.js throws what its listeners threw again in a turn of its own, where nothing tells whose it was.
  process.on("uncaughtException", (error) => fault(0, "write", error));

  const budget = new CellBudget<number>();
  const turns = new ModelTurns({
    during,
    spentMs,
    turned(key) {
      const model = models.get(key);
      for (const other of budget.used(key, model?.cells ?? 0)) {
        during(other, () => models.get(other)?.freeze());
        budget.used(other, models.get(other)?.cells ?? 0);
      }
    },
    soon: setImmediate,
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });

  const once = (key: number, work: () => void, done: () => void = () => undefined): void => {
    models.get(key)?.endBacklog();
    turns.add(key, { steps: oneStep(work), done });
  };

  const open = (message: To<"open">): void => {
    const { key, path } = message;
    // The one before goes on from what it has drawn; the guest has the rest.
    closing.get(path)?.();
    const make = (request: To<"open">): ScreenModel =>
      createModel(request, {
        send,
        rested,
        later: (work) => once(key, work),
        fault: (error) => fault(key, "write", error),
      });
    // Before what others are at: a client waits for it, and it takes a file's reading.
    const isOpen = during(key, () => models.set(key, make(message)));
    if (!isOpen) models.set(key, make({ ...message, isBlank: true }));
  };

  const capture = ({ key, id, part }: To<"capture">): void => {
    let taken: ReturnType<ScreenModel["capture"]> | null = null;
    const take = (): void => {
      taken = models.get(key)?.capture(part) ?? null;
    };
    once(key, take, () => {
      // It threw, and has restarted.
      if (taken === null) take();
      if (taken !== null) send({ kind: "screen", key, id, ...(taken as ReturnType<ScreenModel["capture"]>) });
    });
  };

  const close = ({ key, isKept }: To<"close">): void => {
    const model = models.get(key);
    if (model === undefined) {
      send({ kind: "closed", key });
      return;
    }
    const end = (): void => {
      closing.delete(model.path);
      during(key, () => model.close(isKept));
      models.delete(key);
      send({ kind: "closed", key });
      budget.used(key, 0);
      rested();
    };
    const endNow = (): void => {
      turns.drop(key);
      if (models.has(key)) end();
    };
    if (!isKept) {
      endNow();
      return;
    }
    closing.set(model.path, endNow);
    once(key, end, endNow);
  };

  const stop = (until: number): void => {
    if (!turns.isIdle && performance.now() < until) {
      setImmediate(() => stop(until));
      return;
    }
    for (const [key, model] of models) during(key, () => model.close(true));
    models.clear();
    send({ kind: "stopped" });
  };

  port.on("message", (message: ToWorker) => {
    if (message.kind === "stop") {
      stop(performance.now() + DRAW_AT_STOP_MS);
      return;
    }
    const { key } = message;
    const model = models.get(key);
    const parsed = (): void => send({ kind: "parsed", key, buffer: null });
    switch (message.kind) {
      case "open":
        open(message);
        break;
      case "output": {
        const { buffer, end, length } = message;
        const steps = model?.output(end, new Uint8Array(buffer, 0, length)) ?? noStep();
        const done = (): void => port.postMessage({ kind: "parsed", key, buffer } satisfies FromWorker, [buffer]);
        turns.add(key, { steps, done });
        break;
      }
      case "gap":
        once(key, () => model?.gap(message.end), parsed);
        break;
      case "resized":
        once(key, () => model?.resized(message.cols, message.rows), parsed);
        break;
      case "appearance":
        once(key, () => model?.setAppearance(message.appearance));
        break;
      case "capture":
        capture(message);
        break;
      case "close":
        close(message);
    }
  });
}

// biome-ignore lint/correctness/useYield: one step, done when it has been taken.
function* oneStep(work: () => void): Generator<Step> {
  work();
}

function* noStep(): Generator<Step> {}

// The main thread imports this too, to fill its code cache.
if (parentPort !== null) {
  serve(parentPort, workerData as Int32Array, (request, context) => new XtermScreenModel(request, context));
}
