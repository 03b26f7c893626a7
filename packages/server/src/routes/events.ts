import { PassThrough } from "node:stream";
import { EnvironmentEvents, type EventSink } from "../events/environment-events.ts";
import type { App, Services } from "../services.ts";
import { GET_ONLY, streamOf } from "./schemas.ts";

const COMMENT_EVERY_MS = 15_000;
const END_MS = 5000;

export function eventRoutes(app: App, services: Services): void {
  app.get(
    "/v1/events",
    {
      ...GET_ONLY,
      schema: {
        tags: ["environments"],
        summary:
          "text/event-stream: `environment` (data: Environment) and `removed` (data: {id}); all at first, then changes. WebSocket microterm.events.v1 when upgraded",
        response: streamOf("text/event-stream", "Events"),
      },
    },
    async (request, reply) => {
      const { identity, log } = request;
      // Refused before it is a stream.
      await services.environments.count(identity.actor);
      const out = new PassThrough();
      // With the first bytes go the headers: a client without environments is to know that it listens.
      out.write(": connected\n\n");
      const events = new EnvironmentEvents(services, identity.actor, sinkOf(out));
      const comment = setInterval(() => {
        if (!out.writableNeedDrain) out.write(": still here\n\n");
      }, COMMENT_EVERY_MS);
      const forget = services.connections.add({
        identity,
        environment: null,
        close: () => {
          clearInterval(comment);
          out.end();
          // A client that does not read never comes to the end.
          setTimeout(() => out.destroy(), END_MS).unref();
        },
        keepAlive: () => undefined,
      });
      out.once("close", () => {
        clearInterval(comment);
        events.dispose();
        forget();
      });
      events.run().catch((error: unknown) => {
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

function sinkOf(out: PassThrough): EventSink {
  return {
    async send(event, data) {
      if (out.destroyed || out.writableEnded) return;
      if (out.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return;
      await new Promise<void>((resolve) => {
        const done = () => {
          out.off("drain", done).off("close", done);
          resolve();
        };
        out.on("drain", done).on("close", done);
      });
    },
  };
}
