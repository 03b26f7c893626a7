import { MODEL_OPEN_MS } from "../hub/flow-limits.ts";
import type { Model, ModelHost, ModelRequest, ModelStart } from "./model-host.ts";

/** A terminal's model, and where it begins. What it reports waits until it is listened to. */
export interface OpenedModel {
  readonly model: Model;
  readonly start: ModelStart;
}

/** Opens a model in as many workers as it takes: one may die of what another terminal printed. Rejects when none does in time. */
export async function openModel(host: ModelHost, request: ModelRequest): Promise<OpenedModel> {
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), MODEL_OPEN_MS).unref();
  try {
    for (;;) {
      const model = host.open(request);
      const start = await Promise.race([model.opened.catch(() => "lost" as const), late.promise]);
      if (start === "late") {
        model.close(true).catch(() => undefined);
        throw new Error("the terminal's screen could not be opened in time");
      }
      if (start !== "lost") return { model, start };
    }
  } finally {
    clearTimeout(timer);
  }
}
