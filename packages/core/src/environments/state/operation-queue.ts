import type { EnvironmentId } from "@microterm/protocol";
import type { Log } from "../../ports/clock.ts";

/**
 * What goes on in the background for each environment: one thing at a time, in the order begun. The database decides
 * who may act; this only keeps one process's own boots, stops and clean-ups of an environment from overlapping.
 */
export interface OperationQueue {
  /** `run` starts when what was begun before it has ended. Resolves when it has ended, in whatever way. */
  begin(id: EnvironmentId, run: (signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Aborts all that was begun for an environment and resolves when it has ended. */
  abort(id: EnvironmentId): Promise<void>;
  isBusy(id: EnvironmentId): boolean;
  /** Aborts everything; nothing begins any more. */
  close(): Promise<void>;
}

/** `onFailed` is called where it has ended in an error and no other request has taken over. */
export function createOperationQueue(
  log: Log,
  onFailed: (id: EnvironmentId, error: unknown) => void = () => {},
): OperationQueue {
  const queues = new Map<EnvironmentId, { readonly controllers: Set<AbortController>; tail: Promise<void> }>();
  let isClosed = false;

  async function abort(id: EnvironmentId): Promise<void> {
    const queue = queues.get(id);
    if (queue === undefined) return;
    for (const controller of queue.controllers) controller.abort(new Error("another request took over"));
    await queue.tail;
  }

  return {
    begin(id, run) {
      const queue = queues.get(id) ?? { controllers: new Set<AbortController>(), tail: Promise.resolve() };
      queues.set(id, queue);
      const controller = new AbortController();
      queue.controllers.add(controller);
      const own = queue.tail
        .then(() => (isClosed || controller.signal.aborted ? undefined : run(controller.signal)))
        .catch((error: unknown) => {
          log.error("background work on an environment failed", { environment: id, error: String(error) });
          if (!controller.signal.aborted) onFailed(id, error);
        })
        .finally(() => {
          queue.controllers.delete(controller);
          if (queue.controllers.size === 0) queues.delete(id);
        });
      queue.tail = own;
      return own;
    },
    abort,
    isBusy: (id) => queues.has(id),
    async close() {
      isClosed = true;
      await Promise.all([...queues.keys()].map(abort));
    },
  };
}
