import { describe, expect, it } from "vitest";
import { assertFirecracker, chooseDriver, firecrackerStatus } from "./driver-choice.ts";

const KVM = { accelerator: "kvm", reason: "a guest booted with KVM in 1.0 s" } as const;
const TCG = { accelerator: "tcg", reason: "there is no /dev/kvm on this host" } as const;
const THERE = { version: "1.12.1", problem: null };
const MISSING = { version: null, problem: "there is no Firecracker" };

describe("without a word about it, the driver", () => {
  it("is Firecracker where KVM works and there is one", () => {
    const choice = chooseDriver({ wanted: "auto", accelerator: KVM, firecracker: THERE });
    expect(choice).toEqual({ driver: "firecracker", reason: "KVM works, and Firecracker 1.12.1 is there" });
    const newer = chooseDriver({ wanted: "auto", accelerator: KVM, firecracker: { ...THERE, version: "1.13.0" } });
    expect(newer.reason).toContain("Firecracker 1.13.0, which is not tested (1.12.1 is)");
  });

  it.each([
    [KVM, MISSING, "there is no Firecracker"],
    [KVM, { version: "1.4.0", problem: "1.4.0 is older than 1.10" }, "1.4.0 is older than 1.10"],
    [TCG, THERE, "Firecracker needs KVM, which does not work here"],
    [TCG, MISSING, "Firecracker needs KVM"],
  ])("is QEMU with %o and %o, which it says", (accelerator, firecracker, why) => {
    const choice = chooseDriver({ wanted: "auto", accelerator, firecracker });
    expect(choice).toMatchObject({ driver: "qemu", reason: expect.stringContaining(why) });
  });
});

describe("a driver that is asked for", () => {
  it("is taken", () => {
    expect(chooseDriver({ wanted: "qemu", accelerator: KVM, firecracker: THERE }).driver).toBe("qemu");
    expect(chooseDriver({ wanted: "firecracker", accelerator: KVM, firecracker: THERE }).driver).toBe("firecracker");
  });

  it.each([
    [KVM, MISSING, "there is no Firecracker"],
    [TCG, THERE, "there is no /dev/kvm"],
  ])("is refused where it cannot be had: with %o and %o", (accelerator, firecracker, why) => {
    const ask = () => chooseDriver({ wanted: "firecracker", accelerator, firecracker });
    expect(ask).toThrow(why);
    expect(ask).toThrow("--driver firecracker cannot be had");
  });
});

it("Firecracker is refused for want of files or KVM before anything is ended for it", () => {
  const found = { firecracker: "/opt/firecracker", jailer: "/opt/jailer" };
  const known = { found, accelerator: null, hasKvm: true };
  expect(() => assertFirecracker({ ...known, found: { absence: "there is none" } })).toThrow("be had: there is none");
  expect(() => assertFirecracker({ ...known, hasKvm: false })).toThrow("there is no /dev/kvm");
  expect(() => assertFirecracker({ ...known, accelerator: TCG })).toThrow(TCG.reason);
  for (const accelerator of [null, KVM]) assertFirecracker({ ...known, accelerator });
});

describe("what is known of Firecracker", () => {
  it("is what the daemon says, where it was given one", () => {
    const firecracker = { version: "1.12.1", problem: null };
    expect(firecrackerStatus({ firecracker }, null)).toEqual(firecracker);
    expect(firecrackerStatus({ firecracker: { version: null, problem: "is no program\n" } }, null)).toEqual({
      ...{ version: null, problem: "is no program" },
    });
  });

  it("is never that it is there without a version, a daemon that knows it, or a file", () => {
    expect(firecrackerStatus({ firecracker: null }, null).problem).toContain("earlier version");
    expect(firecrackerStatus({ firecracker: { version: null, problem: null } }, null).problem).not.toBeNull();
    expect(firecrackerStatus({ firecracker: { version: "1.12.1", problem: null } }, "no file").problem).toBe("no file");
  });
});
