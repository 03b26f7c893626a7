import { BootStep, EnvironmentId, EnvironmentState, MachineId, Operation } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { FoundMachine } from "../../ports/vm-driver.ts";
import { environmentRow } from "../../testing/environment-row.ts";
import { planRecovery, type RowAction } from "./recovery-plan.ts";

const ENVIRONMENT = EnvironmentId.parse("aaaaaaaaaaaa");
const MACHINE = MachineId.parse("m".repeat(16));
const OTHER = MachineId.parse("n".repeat(16));

const row = (over: Partial<EnvironmentRow>): EnvironmentRow =>
  environmentRow({ id: ENVIRONMENT, machineId: MACHINE, ...over });

const found = (over: Partial<FoundMachine> = {}): FoundMachine => ({
  machineId: MACHINE,
  alive: true,
  environmentId: ENVIRONMENT,
  hostRebooted: false,
  ...over,
});

const dead = found({ alive: false });
const rebooted = found({ alive: false, hostRebooted: true });
const adopt: RowAction = { kind: "adopt", machineId: MACHINE };
const finishPause: RowAction = { kind: "finish-pause", machineId: MACHINE };
const stopped: RowAction = { kind: "reconcile", state: "stopped" };
const restarted: RowAction = { kind: "reconcile", state: "stopped", reason: "the host was restarted" };
const failed = (reason: RegExp): RowAction => ({
  kind: "reconcile",
  state: "failed",
  reason: expect.stringMatching(reason),
});
const SAVE = "s".repeat(16);
const paused: RowAction = { kind: "reconcile", state: "paused" };
const starting = { state: "creating", operation: "start", step: "kernel" } as const;
const resuming = { state: "creating", operation: "resume", step: "resume" } as const;
const stopping = { operation: "stop" } as const;
const pausing = { operation: "pause" } as const;

const TABLE: readonly [string, Partial<EnvironmentRow>, readonly FoundMachine[], RowAction, readonly MachineId[]][] = [
  ["running, alive", {}, [found()], adopt, []],
  ["running, alive, its label lost", {}, [found({ environmentId: null })], adopt, []],
  ["running, dead", {}, [dead], failed(/VMM died/), [MACHINE]],
  ["running, nowhere", {}, [], failed(/disappeared/), []],
  ["running, without a machine", { machineId: null }, [], failed(/disappeared/), []],
  ["running, host restarted", {}, [rebooted], restarted, [MACHINE]],
  ["running, dead, host unknown", {}, [{ ...dead, hostRebooted: null }], failed(/VMM died/), [MACHINE]],
  ["running, and an earlier attempt's machine", {}, [found(), found({ machineId: OTHER })], adopt, [OTHER]],
  ["stopping, alive", stopping, [found()], { kind: "finish-stop", machineId: MACHINE }, []],
  ["stopping, dead", stopping, [dead], stopped, [MACHINE]],
  ["stopping, nowhere", stopping, [], stopped, []],
  ["creating, nothing made yet", { ...starting, step: "disk", machineId: null }, [], { kind: "boot" }, []],
  ["creating, alive", starting, [found()], { kind: "boot" }, [MACHINE]],
  ["creating, resumed before", { ...starting, interruptions: 1 }, [found()], failed(/twice/), [MACHINE]],
  ["stopped, its machine left behind", { state: "stopped" }, [found()], { kind: "keep" }, [MACHINE]],
  ["failed, its machine left behind", { state: "failed" }, [dead], { kind: "keep" }, [MACHINE]],
  ["destroying, alive", { state: "destroying" }, [found()], { kind: "finish-destroy" }, []],
  [
    "destroying, and an earlier attempt's machine",
    { state: "destroying" },
    [found(), found({ machineId: OTHER }), found({ machineId: MachineId.parse("z".repeat(16)), environmentId: null })],
    { kind: "finish-destroy" },
    [MachineId.parse("z".repeat(16))],
  ],
];

const PAUSES: readonly [string, Partial<EnvironmentRow>, readonly FoundMachine[], boolean, RowAction, boolean][] = [
  ["pausing, alive, saved", pausing, [found()], true, finishPause, true],
  ["pausing, alive", pausing, [found()], false, finishPause, true],
  ["pausing, dead, saved", pausing, [dead], true, paused, true],
  ["pausing, nowhere, saved", pausing, [], true, paused, true],
  ["pausing, dead, not saved", pausing, [dead], false, failed(/VMM died/), false],
  ["to be stopped once saved, alive", stopping, [found()], false, finishPause, true],
  ["to be stopped once saved, and saved", stopping, [found()], true, finishPause, true],
  ["to be stopped once saved, dead", stopping, [dead], true, stopped, false],
  ["paused", { state: "paused", machineId: null }, [], true, { kind: "keep" }, true],
  ["paused, its save gone", { state: "paused", machineId: null }, [], false, failed(/memory is gone/), false],
  ["resuming, nothing made yet", resuming, [], true, { kind: "boot" }, true],
  ["resuming, its save gone", resuming, [], false, failed(/memory is gone/), false],
  [
    "resuming for the second time",
    { ...resuming, interruptions: 1 },
    [],
    true,
    { ...paused, reason: expect.stringMatching(/twice/) },
    true,
  ],
  [
    "resuming, alive",
    { ...resuming, interruptions: 1 },
    [found()],
    true,
    { kind: "finish-resume", machineId: MACHINE },
    true,
  ],
  ["resuming, dead", resuming, [dead], true, failed(/VMM died/), false],
  ["destroying with a save", { state: "destroying" }, [], true, { kind: "finish-destroy" }, true],
];

describe("a recovery's plan", () => {
  it.each(PAUSES)("%s", (_, over, machines, hasSnapshot, action, isKept) => {
    const snapshots = hasSnapshot ? [SAVE] : [];
    const plan = planRecovery({ rows: [row({ snapshotId: SAVE, ...over })], machines, disks: [], snapshots });
    expect(plan.rows.get(ENVIRONMENT)).toEqual(action);
    expect(plan.removeSnapshots).toEqual(isKept ? [] : snapshots);
    const spared = "machineId" in action ? [action.machineId] : action.kind === "finish-destroy" ? [MACHINE] : [];
    expect(plan.removeMachines).toEqual(machines.map((one) => one.machineId).filter((id) => !spared.includes(id)));
  });

  it.each(TABLE)("%s", (_, over, machines, action, removed) => {
    const plan = planRecovery({ rows: [row(over)], machines, disks: [ENVIRONMENT], snapshots: [] });
    expect(plan.rows.get(ENVIRONMENT)).toEqual(action);
    expect(plan.removeMachines).toEqual(removed);
    expect(plan.removeDisks).toEqual([]);
  });

  it("removes machines, disks and snapshots of no row", () => {
    const plan = planRecovery({ rows: [], machines: [found(), dead], disks: [ENVIRONMENT], snapshots: [SAVE] });
    expect(plan).toEqual({
      rows: new Map(),
      removeMachines: [MACHINE],
      removeDisks: [ENVIRONMENT],
      removeSnapshots: [SAVE],
    });
  });
});

/** Few ids, so that rows, machines and disks meet in every combination. */
const environmentIds = ["a", "b", "c", "d"].map((letter) => EnvironmentId.parse(letter.repeat(12)));
const machineIds = ["k", "l", "m", "n", "o"].map((letter) => MachineId.parse(letter.repeat(16)));

const SAVES = ["s", "t", "u"].map((letter) => letter.repeat(16));

const rows = fc.uniqueArray(
  fc
    .record({
      id: fc.constantFrom(...environmentIds),
      state: fc.constantFrom(...EnvironmentState.options),
      operation: fc.option(fc.constantFrom(...Operation.options)),
      step: fc.option(fc.constantFrom(...BootStep.options)),
      interruptions: fc.nat(2),
      snapshotId: fc.option(fc.constantFrom(...SAVES)),
      diskId: fc.constantFrom(...environmentIds, ...machineIds),
      machineId: fc.option(fc.constantFrom(...machineIds)),
    })
    .map(row),
  {
    selector: (one) => one.id,
    // As the database has it: two rows never name one machine.
    comparator: "SameValue",
  },
);

const oneRowAMachine = (all: readonly EnvironmentRow[]) => {
  const named = all.flatMap((one) => (one.machineId === null ? [] : [one.machineId]));
  return new Set(named).size === named.length;
};

const machines = fc.uniqueArray(
  fc.record({
    machineId: fc.constantFrom(...machineIds),
    alive: fc.boolean(),
    environmentId: fc.option(fc.constantFrom(...environmentIds, "gone00000000")),
    hostRebooted: fc.constantFrom(true, false, null),
  }),
  { selector: (machine) => machine.machineId },
);

const findings = fc.record({
  rows: rows.filter(oneRowAMachine),
  machines,
  disks: fc.uniqueArray(fc.constantFrom(...environmentIds, ...machineIds, "gone00000000")),
  snapshots: fc.uniqueArray(fc.constantFrom(...SAVES)),
});

describe("any plan", () => {
  it("has exactly one action for every row and none for any other", () => {
    fc.assert(
      fc.property(findings, (all) => {
        expect([...planRecovery(all).rows.keys()].sort()).toEqual(all.rows.map((one) => one.id).sort());
      }),
    );
  });

  it("removes no machine that an environment runs on, and no disk of an environment", () => {
    fc.assert(
      fc.property(findings, (all) => {
        const plan = planRecovery(all);
        const kept = new Set(all.rows.map((one) => one.diskId));
        expect(plan.removeDisks.filter((disk) => kept.has(disk))).toEqual([]);
        const running = all.rows.filter((one) => one.state === "running").map((one) => one.machineId);
        const alive = all.machines.filter((machine) => machine.alive && running.includes(machine.machineId));
        for (const machine of alive) expect(plan.removeMachines).not.toContain(machine.machineId);
      }),
    );
  });

  it("leaves no machine and no disk without a use", () => {
    fc.assert(
      fc.property(findings, (all) => {
        const plan = planRecovery(all);
        for (const { machineId, environmentId } of all.machines) {
          const used = all.rows.some((one) => {
            const action = plan.rows.get(one.id);
            if (action !== undefined && "machineId" in action) return action.machineId === machineId;
            return action?.kind === "finish-destroy" && (one.machineId === machineId || environmentId === one.id);
          });
          expect(plan.removeMachines.includes(machineId)).toBe(!used);
        }
        const owned = all.rows.map((one) => one.diskId);
        expect([...plan.removeDisks].sort()).toEqual(all.disks.filter((disk) => !owned.includes(disk)).sort());
      }),
    );
  });

  it("is the same whatever a row says of itself, which a guest may have a hand in", () => {
    const known = ["stopping", "pausing", "kernel (second attempt: resumed after a restart)"];
    const said = fc.oneof(fc.string(), fc.constantFrom(...known));
    fc.assert(
      fc.property(findings, fc.option(said), (all, reason) => {
        const silent = { ...all, rows: all.rows.map((one) => ({ ...one, reason: null })) };
        const talking = { ...all, rows: all.rows.map((one) => ({ ...one, reason })) };
        expect(planRecovery(talking)).toEqual(planRecovery(silent));
      }),
    );
  });

  it("leaves no row in a state that only work under way explains", () => {
    fc.assert(
      fc.property(findings, (all) => {
        const plan = planRecovery(all);
        for (const one of all.rows) {
          const kind = plan.rows.get(one.id)?.kind;
          if (one.state === "creating") expect(["boot", "reconcile", "finish-resume"]).toContain(kind);
          if (one.state === "destroying") expect(kind).toBe("finish-destroy");
          if (one.state === "running") expect(["adopt", "finish-stop", "finish-pause", "reconcile"]).toContain(kind);
        }
      }),
    );
  });
});
