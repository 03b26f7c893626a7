import type { Problem } from "@microterm/protocol";
import { RequestError } from "@microterm/sdk";
import { expect, test } from "vitest";
import { explain } from "./failure.ts";

const refused = (details: Problem["details"]) =>
  new RequestError("ENVIRONMENT_STATE", {
    ...{ type: "", title: "", status: 409, code: "ENVIRONMENT_STATE", retryable: false },
    ...{ detail: "'calm-otter' is not there", hint: "Look at its state first.", details },
  });

test.each([
  ["paused", "Try: ./microterm resume calm-otter"],
  ["stopped", "Try: ./microterm start calm-otter"],
  ["failed", "Try: ./microterm start calm-otter"],
  ["creating", "Look at its state first."],
] as const)("a client that is refused because it is %s is told what to do about that", (state, advice) => {
  expect(explain(refused({ name: "calm-otter", state }))).toBe(`microterm: 'calm-otter' is not there\n  ${advice}`);
});

test("a refusal that says no more has the server's advice", () => {
  expect(explain(refused(undefined))).toContain("Look at its state first.");
});

test("a fault of the server names the request, which its log has more of", () => {
  const fault = (status: number) =>
    new RequestError("INTERNAL", {
      ...{ type: "", title: "", status, code: "INTERNAL", retryable: false, detail: "Something went wrong", hint: "" },
      instance: "urn:microterm:request:abc123abc123",
    });
  expect(explain(fault(500))).toContain("The server's log has more under request abc123abc123.");
  expect(explain(fault(404))).not.toContain("abc123abc123");
});
