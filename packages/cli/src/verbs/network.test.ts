import type { NetworkStatus } from "@microterm/protocol";
import { expect, it } from "vitest";
import { linesOf } from "./network.ts";

const limits = { open: 4096, newPerSecond: 200 };
const status = (connections: NetworkStatus["connections"]): NetworkStatus => ({
  policy: { mode: "open" },
  traffic: { sent: { bytes: 2048, packets: 2 }, received: { bytes: 0, packets: 0 } },
  connections,
});

it.each([
  [{ tracked: 312, opened: 900, exceeded: 0, limits }, "Connections: 312   At most: 4096, 200 new a second"],
  [
    { tracked: null, opened: null, exceeded: 17, limits },
    "Connections: not counted   At most: 4096, 200 new a second   Refused beyond that: 17 packets",
  ],
])("says how many connections there are beside what there may be", (connections, line) => {
  expect(linesOf(status(connections), [])[2]).toBe(line);
});

it("says nothing of connections where they are not limited", () => {
  expect(linesOf(status(null), []).join("\n")).not.toContain("Connections");
});
