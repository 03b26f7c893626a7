import type { FastifyReply } from "fastify";

/** Aborts when the client goes away before it has its answer, so that nothing works for nobody. */
export function requestSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new Error("the client went away"));
  });
  return controller.signal;
}
