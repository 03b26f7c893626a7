import { expect, it } from "vitest";
import { apiFailure, untold } from "./api-failure.ts";

it("does not say of a machine that it is dead where the cluster refuses to look at it, or to mark it", () => {
  const refused = apiFailure({ code: 403, body: { message: "admission webhook denied the request" } });
  expect(refused).toMatchObject({ code: "MACHINE_BOOT_FAILED" });
  expect(untold(refused)).toMatchObject({ code: "HOST_DAEMON_UNAVAILABLE", message: refused.message });
  const other = new Error("other");
  expect(untold(other)).toBe(other);
});
