import { PassThrough } from "node:stream";
import { type EnvironmentId, type OwnerId, PlatformError } from "@microterm/protocol";
import type { App, Services } from "../services.ts";
import { GET_ONLY } from "./schemas.ts";

const COMMENT_EVERY_MS = 15_000;

export function eventRoutes(app: App, services: Services): void {
  app.get(
    "/v1/events",
    {
      ...GET_ONLY,
      schema: {
        tags: ["environments"],
        summary:
          "text/event-stream: `environment` (data: Environment) and `removed` (data: {id}); all at first, then changes",
      },
    },
    async (request, reply) => {
      const { identity, log } = request;
      const out = new PassThrough();
      const events = new EnvironmentEvents(services, identity.owner, out);
      const unsubscribe = services.environments.subscribe((change) => {
        if (change.owner === identity.owner) events.changed(change.id);
      });
      const comment = setInterval(() => events.comment(), COMMENT_EVERY_MS);
      const forget = services.connections.add({
        credentialHash: identity.hash,
        credentialExpiresAt: identity.expiresAt,
        close: () => out.end(),
        keepAlive: () => undefined,
      });
      out.once("close", () => {
        clearInterval(comment);
        unsubscribe();
        forget();
      });
      events.begin().catch((error: unknown) => {
        log.warn({ err: error }, "event stream ended");
        out.destroy();
      });
      return reply
        .type("text/event-stream")
        .header("cache-control", "no-store")
        .header("x-accel-buffering", "no")
        .send(out);
    },
  );
}

/**
 * One client's stream. It remembers which environments have changed, not the changes, so that a client that reads slowly
 * skips states instead of filling the server's memory.
 */
class EnvironmentEvents {
  readonly #services: Services;
  readonly #owner: OwnerId;
  readonly #out: PassThrough;
  readonly #dirty = new Set<EnvironmentId>();
  #isPumping = true;

  constructor(services: Services, owner: OwnerId, out: PassThrough) {
    this.#services = services;
    this.#owner = owner;
    this.#out = out;
  }

  async begin(): Promise<void> {
    for (const environment of await this.#services.environments.list(this.#owner)) {
      await this.#send("environment", environment);
    }
    await this.#pump();
  }

  changed(id: EnvironmentId): void {
    this.#dirty.add(id);
    if (!this.#isPumping) this.#pump().catch(() => this.#out.destroy());
  }

  comment(): void {
    if (!this.#out.writableNeedDrain) this.#out.write(": still here\n\n");
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    for (const id of this.#dirty) {
      this.#dirty.delete(id);
      await this.#tell(id);
    }
    this.#isPumping = false;
  }

  async #tell(id: EnvironmentId): Promise<void> {
    try {
      await this.#send("environment", await this.#services.environments.get(this.#owner, id));
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "ENVIRONMENT_NOT_FOUND") throw error;
      await this.#send("removed", { id });
    }
  }

  async #send(event: string, data: unknown): Promise<void> {
    if (this.#out.destroyed || this.#out.writableEnded) return;
    if (this.#out.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#out.off("drain", done).off("close", done);
        resolve();
      };
      this.#out.on("drain", done).on("close", done);
    });
  }
}
