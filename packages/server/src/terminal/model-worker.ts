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

  /** Leaves the key behind when the worker dies of it. */
  const during = (key: number, work: () => void): void => {
    Atomics.store(busy, 0, key);
    work();
    Atomics.store(busy, 0, 0);
  };

  port.on("message", (message: ToWorker) => {
    if (message.kind === "stop") {
      for (const model of models.values()) model.close(true);
      models.clear();
      send({ kind: "stopped" });
      return;
    }
    during(message.key, () => handle(message));
  });

  const handle = (message: Exclude<ToWorker, { kind: "stop" }>): void => {
    const { key } = message;
    if (message.kind === "open") {
      models.set(key, new ScreenModel(message, { send, rested, during: (work) => during(key, work) }));
      return;
    }
    const model = models.get(key);
    switch (message.kind) {
      case "output": {
        const { buffer, length } = message;
        model?.output(message.end, new Uint8Array(buffer, 0, length));
        port.postMessage({ kind: "parsed", key, buffer } satisfies FromWorker, [buffer]);
        break;
      }
      case "gap":
        model?.gap(message.end);
        send({ kind: "parsed", key, buffer: null });
        break;
      case "resized":
        model?.resized(message.cols, message.rows);
        send({ kind: "parsed", key, buffer: null });
        break;
      case "appearance":
        model?.setAppearance(message.appearance);
        break;
      case "capture":
        if (model !== undefined) send({ kind: "screen", key, id: message.id, ...model.capture() });
        break;
      case "close":
        model?.close(message.isKept);
        rested();
        models.delete(key);
    }
  };
}

// The main thread imports this too, to fill its code cache.
if (parentPort !== null) serve(parentPort, workerData as Int32Array);
