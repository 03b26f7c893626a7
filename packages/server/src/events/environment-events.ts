import { type Actor, can } from "@microterm/core";
import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import type { Services } from "../services.ts";

/** Where a client's events go. */
export interface EventSink {
  /** Resolves when the client can take more, or is gone. */
  send(event: "environment" | "removed", data: unknown): Promise<void>;
}

/**
 * One client's events: all environments that an actor may see, then changes. It remembers which have changed, not the changes, so
 * that a client that reads slowly skips states instead of filling the server's memory.
 */
export class EnvironmentEvents {
  readonly #services: Services;
  readonly #actor: Actor;
  readonly #sink: EventSink;
  readonly #dirty = new Set<EnvironmentId>();
  readonly #unsubscribe: () => void;
  #wake: () => void = () => undefined;
  #isOver = false;

  constructor(services: Services, actor: Actor, sink: EventSink) {
    this.#services = services;
    this.#actor = actor;
    this.#sink = sink;
    this.#unsubscribe = services.environments.subscribe((change) => {
      if (change.owner !== actor.owner || !can(actor, "environment.read", change)) return;
      this.#dirty.add(change.id);
      this.#wake();
    });
  }

  /** Resolves once disposed of. Rejects when environments cannot be read. */
  async run(): Promise<void> {
    for (const environment of await this.#services.environments.list(this.#actor)) {
      await this.#sink.send("environment", environment);
    }
    while (!this.#isOver) {
      for (const id of this.#dirty) {
        this.#dirty.delete(id);
        await this.#tell(id);
      }
      if (this.#isOver || this.#dirty.size > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  dispose(): void {
    this.#isOver = true;
    this.#unsubscribe();
    this.#wake();
  }

  async #tell(id: EnvironmentId): Promise<void> {
    try {
      const environment = await this.#services.environments.get(this.#actor, id);
      // An admin may read it, but it is in another's list now.
      if (environment.owner !== this.#actor.owner) return await this.#sink.send("removed", { id });
      await this.#sink.send("environment", environment);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "ENVIRONMENT_NOT_FOUND") throw error;
      await this.#sink.send("removed", { id });
    }
  }
}
