import { AccountId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { watchDisabledAccounts } from "./disabled-accounts.ts";

it("stops what all disabled accounts run, also where that of one cannot be stopped", async () => {
  const stopsAt = new Date(Date.now() - 1000).toISOString();
  const [first, second] = [AccountId.parse("firstfirst"), AccountId.parse("secondsecond")];
  const stopped: string[] = [];
  const watch = watchDisabledAccounts(
    {
      listStopping: async () => [first, second].map((id) => ({ id, stopsAt })),
      hasStopped: async (id) => void stopped.push(id),
    },
    {
      async stopAllOf(owner) {
        if (owner === first) throw new Error("its driver is not here");
        return true;
      },
    },
    { info() {}, warn() {} },
  );
  onTestFinished(() => watch.dispose());
  await watch.look();
  expect(stopped).toEqual([second]);
});
