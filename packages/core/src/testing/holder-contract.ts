import { MachineId } from "@microterm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { attachTo } from "./guest-recorder.ts";
import type { VmDriverHarness } from "./vm-driver-contract.ts";

/** What a driver must do whose machines several servers reach. */
export function holderContract(name: string, makeHarness: () => Promise<VmDriverHarness>): void {
  it(`${name}: a server that holds a machine later ends what an earlier one reads, and that gets nothing more`, async () => {
    const harness = await makeHarness();
    onTestFinished(() => harness.close());
    const machineId = MachineId.parse("heldtwice0000000");
    const spec = { machineId, memoryMib: harness.memoryMib, cpus: 1, diskId: null, network: null, limits: null };
    const earlier = await (await harness.makeDriver()).boot({ ...spec, environmentId: "held" });
    const within = { timeoutMs: harness.bootMs };
    const first = await earlier.agent(within);
    const { id } = await first.openTerminal({ id: "main" as never, cols: 80, rows: 24, command: ["cat"] });
    const read = await attachTo(first, id);
    const later = await (await harness.makeDriver()).adopt(machineId, { epoch: 2 });
    onTestFinished(async () => {
      await later.stop();
      earlier.release();
    });
    const second = await later.agent(within);
    await first.closed;
    await vi.waitFor(() => expect(read.seen.isClosed).toBe(true));
    // It connects again, and is refused.
    const again = await earlier.agent(within);
    await expect(again.terminals()).rejects.toMatchObject({ code: "GUEST_UNREACHABLE" });
    // By the host, where that knows, or by the guest.
    const other = (await harness.makeDriver()).adopt(machineId, { epoch: 1 }).then(async (adopted) => {
      onTestFinished(() => adopted.release());
      return adopted.agent({ timeoutMs: 2_000 });
    });
    const code = expect.stringMatching(/^(?:GUEST_UNREACHABLE|ENVIRONMENT_MOVED)$/);
    await expect(other).rejects.toMatchObject({ code });
    expect((await second.terminals()).map((one) => one.id)).toEqual([id]);
  });
}
