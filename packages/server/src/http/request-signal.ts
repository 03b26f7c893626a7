import type { FastifyReply } from "fastify";

/** Aborts when the client goes away before it has its answer, so that no work is done in vain. */
export function requestSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const closed = (): void => {
    if (!reply.raw.writableFinished) controller.abort(new Error("the client went away"));
  };
  // It may have gone while the guest was being connected.
  if (reply.raw.closed) closed();
  else reply.raw.once("close", closed);
  return controller.signal;
}
