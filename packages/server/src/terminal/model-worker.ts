/** The worker thread with the screen models of all terminals: parsing a flood here holds nobody's keys up. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { FromWorker, ToWorker } from "./model-messages.ts";
import { ScreenModel } from "./screen-model.ts";

/** How long after a model came to rest its garbage is collected: others may follow it. */
const COLLECT_AFTER_MS = 1000;

function serve(port: MessagePort, busy: Int32Array): void {
  const send = (message: FromWorker): void => port.postMessage(message);
  const models = new Map<number, ScreenModel>();
  let collecting: NodeJS.Timeout | undefined;
  const rested = (): void => {
    clearTimeout(collecting);
    collecting = setTimeout(() => globalThis.gc?.(), COLLECT_AFTER_MS);
  };

  const fault = (key: number, lost: "write" | "screen", error: unknown): void =>
    send({ kind: "fault", key, lost, text: error instanceof Error ? (error.stack ?? error.message) : String(error) });

  /**
   * Leaves the key behind when the worker dies of it. What is thrown in it costs this one model its screen, which begins anew; what is
   * thrown over output alone has cost no more than a write by then.
   */
  const during = (key: number, work: () => void): void => {
    Atomics.store(busy, 0, key);
    try {
      work();
    } catch (error) {
      fault(key, "screen", error);
      models.get(key)?.beginAnew();
    }
    Atomics.store(busy, 0, 0);
  };

  // xterm.js throws what its listeners threw again in a turn of its own, where nothing tells whose it was.
  process.on("uncaughtException", (error) => fault(0, "write", error));

  const openModel = (message: Extract<ToWorker, { kind: "open" }>): void => {
    const { key } = message;
    const make = (open: typeof message): ScreenModel =>
      new ScreenModel(open, {
        send,
        rested,
        during: (work) => during(key, work),
        fault: (error) => fault(key, "write", error),
      });
    try {
      models.set(key, make(message));
    } catch (error) {
      fault(key, "screen", error);
      models.set(key, make({ ...message, isEmpty: true }));
    }
  };

  const capture = (model: ScreenModel, { key, id }: Extract<ToWorker, { kind: "capture" }>): void => {
    let taken: ReturnType<ScreenModel["capture"]> | null = null;
    during(key, () => {
      taken = model.capture();
    });
    send({ kind: "screen", key, id, ...(taken ?? model.capture()) });
  };

  port.on("message", (message: ToWorker) => {
    if (message.kind === "stop") {
      for (const [key, model] of models) during(key, () => model.close(true));
      models.clear();
      send({ kind: "stopped" });
      return;
    }
    const { key } = message;
    const model = models.get(key);
    switch (message.kind) {
      case "open":
        openModel(message);
        break;
      case "output": {
        const { buffer, end, length } = message;
        during(key, () => model?.output(end, new Uint8Array(buffer, 0, length)));
        port.postMessage({ kind: "parsed", key, buffer } satisfies FromWorker, [buffer]);
        break;
      }
      case "gap":
        during(key, () => model?.gap(message.end));
        send({ kind: "parsed", key, buffer: null });
        break;
      case "resized":
        during(key, () => model?.resized(message.cols, message.rows));
        send({ kind: "parsed", key, buffer: null });
        break;
      case "appearance":
        during(key, () => model?.setAppearance(message.appearance));
        break;
      case "capture":
        if (model !== undefined) capture(model, message);
        break;
      case "close":
        during(key, () => model?.close(message.isKept));
        rested();
        models.delete(key);
    }
  });
}

// The main thread imports this too, to fill its code cache.
if (parentPort !== null) serve(parentPort, workerData as Int32Array);
