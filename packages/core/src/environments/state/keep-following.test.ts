import { EnvironmentId, PlatformError } from "@microterm/protocol";
import { expect, it } from "vitest";
import { silentLog, systemClock } from "../../testing/system.ts";
import { keepFollowing } from "./keep-following.ts";

it("says each cause once, and ends where the host knows no such machine", async () => {
  const logged: unknown[] = [];
  const context = {
    clock: { ...systemClock, sleep: () => Promise.resolve() },
    closing: new AbortController(),
    log: { ...silentLog, error: (message: string, fields?: object) => logged.push([message, fields]) },
  };
  const id = EnvironmentId.parse("a".repeat(12));
  const causes = ["busy", "busy", "busy", "gone away", "gone away", "busy"].map((why) => new Error(why));
  await keepFollowing(context, id, "setting it", async () => {
    throw causes.shift() ?? new PlatformError("NOT_FOUND", "there is no such machine");
  });
  const again = "setting it failed and is tried again";
  expect(logged).toMatchObject([
    [again, { error: "busy" }],
    [again, { error: "gone away" }],
    [again, { error: "busy" }],
    ["setting it failed and is not tried again", { environment: id, error: "there is no such machine" }],
  ]);
});
