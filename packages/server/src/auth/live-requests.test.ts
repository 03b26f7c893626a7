import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, it } from "vitest";
import { createLiveRequests } from "./live-requests.ts";

it("a request whose credential is revoked between its look-up and its beginning ends at once, and no later one", () => {
  const listeners: ((hash: string) => void)[] = [];
  const requests = createLiveRequests({
    subscribe: (listener) => {
      listeners.push(listener);
      return () => undefined;
    },
  });
  const add = (hash: string, since: number): boolean => {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    requests.add({ hash, since }, response);
    return response.destroyed;
  };
  const before = performance.now();
  for (const listener of listeners) listener("revoked");
  expect([add("revoked", before), add("another", before), add("revoked", performance.now() + 1)]).toEqual([
    true,
    false,
    false,
  ]);
  requests.dispose();
});
