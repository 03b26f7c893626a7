import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { PlatformError } from "@microterm/protocol";
import { z } from "zod";
import { requestSignal } from "../../http/request-signal.ts";
import { GUEST_FILE_HEADERS } from "../../http/security-headers.ts";
import type { App, Services } from "../../services.ts";
import { EnvironmentParams, GET_ONLY, Switch, streamOf } from "../schemas.ts";

/** A console is a tail without offsets, so following it is asking again. */
const POLL_MS = 500;
/** How much of the last tail's end is looked for in the next one. */
const OVERLAP_BYTES = 512;

const LogQuery = z.strictObject({ follow: Switch });

export function logRoutes(app: App, { environments, connections }: Services): void {
  app.get(
    "/v1/environments/:env/logs",
    {
      ...GET_ONLY,
      schema: {
        tags: ["environments"],
        summary: "The serial console's tail, as text/plain; `follow=1` goes on until the environment is gone",
        params: EnvironmentParams,
        querystring: LogQuery,
        response: streamOf("text/plain; charset=utf-8", "The console"),
      },
    },
    async (request, reply) => {
      const { identity } = request;
      const id = await environments.locate(identity.actor, request.params.env, "environment.inspect");
      const read = () => environments.console(identity.actor, id);
      const first = Buffer.from(await read());
      reply.headers({ ...GUEST_FILE_HEADERS, "content-disposition": "inline" }).type("text/plain; charset=utf-8");
      if (!request.query.follow) return reply.send(first);
      const controller = new AbortController();
      const forget = connections.add({
        identity,
        environment: id,
        close: () => controller.abort(),
        keepAlive: () => undefined,
      });
      reply.raw.once("close", forget);
      const signal = AbortSignal.any([controller.signal, requestSignal(reply)]);
      return reply.send(Readable.from(follow(first, read, signal), { objectMode: false }));
    },
  );
}

async function* follow(first: Buffer, read: () => Promise<Uint8Array>, signal: AbortSignal): AsyncGenerator<Buffer> {
  let last = first;
  if (first.length > 0) yield first;
  try {
    for (;;) {
      await delay(POLL_MS, undefined, { signal });
      const next = Buffer.from(await read());
      const added = next.subarray(continuation(last, next));
      last = next;
      if (added.length > 0) yield added;
    }
  } catch (error) {
    const isOver = signal.aborted || (error instanceof PlatformError && error.code === "ENVIRONMENT_NOT_FOUND");
    if (!isOver) throw error;
  }
}

/** Where in `next` begins what `last` did not have; 0 when nothing of `last` is in it (a new boot, or a burst). */
export function continuation(last: Buffer, next: Buffer): number {
  if (next.length >= last.length && next.subarray(0, last.length).equals(last)) return last.length;
  // A short console that is no longer at the beginning has been pushed out by more than a tail's length.
  if (last.length < OVERLAP_BYTES) return 0;
  const mark = last.subarray(-OVERLAP_BYTES);
  const at = next.lastIndexOf(mark);
  return at === -1 ? 0 : at + mark.length;
}
