/** The worker thread with the screen models of all terminals: parsing a flood here holds nobody's keys up. */
import { parentPort } from "node:worker_threads";
import type { FromWorker, ToWorker } from "./model-messages.ts";
import { ScreenModel } from "./screen-model.ts";

const port = parentPort;
if (port === null) throw new Error("this is a worker");
const send = (message: FromWorker): void => port.postMessage(message);
const models = new Map<number, ScreenModel>();

port.on("message", (message: ToWorker) => {
  if (message.kind === "stop") {
    for (const model of models.values()) model.close(true);
    models.clear();
    send({ kind: "stopped" });
    return;
  }
  const { key } = message;
  if (message.kind === "open") {
    models.set(key, new ScreenModel(message, send));
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
      models.delete(key);
  }
});
