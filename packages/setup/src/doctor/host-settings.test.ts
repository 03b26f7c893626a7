import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Check } from "./check.ts";
import { hostSettings } from "./host-settings.ts";

const FLAWS = "sys/devices/system/cpu/vulnerabilities";
const NO_SWAP = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
/** A host that loses nothing. */
const GOOD = {
  "dev/kvm": "",
  "sys/module/kvm/parameters/nx_huge_pages": "never",
  "proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0\n",
  "proc/swaps": NO_SWAP,
  "sys/kernel/mm/ksm/run": "0",
  "sys/devices/system/cpu/smt/active": "0",
  [`${FLAWS}/itlb_multihit`]: "Not affected",
  [`${FLAWS}/spectre_v1`]: "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
} as const;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mt-host-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** What differs from a good host; null: there is no such file. */
function checks(differences: Readonly<Record<string, string | null>> = {}, kernel = "6.12.43-amd64"): readonly Check[] {
  for (const [path, text] of Object.entries({ ...GOOD, ...differences })) {
    rmSync(join(root, path), { force: true });
    if (text === null) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
  return hostSettings({ root, kernel });
}
const check = (name: string, ...given: Parameters<typeof checks>): Check | undefined =>
  checks(...given).find((one) => one.name === name);
const area = (path: string) => `${NO_SWAP}${path}                               partition\t2097148\t0\t-2\n`;

it("a host that loses nothing is told so of each setting", () => {
  const found = checks();
  expect(found.map(({ name }) => name)).toEqual(["vm creation", "swap", "ksm", "smt", "cpu flaws"]);
  expect(found.filter(({ status }) => status !== "ok")).toEqual([]);
});

it("where there is no KVM, only swap is looked at", () => {
  const without = { "dev/kvm": null, "sys/devices/system/cpu/smt/active": "1" };
  expect(checks(without)).toEqual([{ name: "swap", status: "ok", text: "off", fix: null }]);
});

it("a host whose files can't be read is none that is said to be well protected", () => {
  expect(hostSettings({ root, kernel: "" }).map(({ name }) => name)).toEqual(["swap"]);
});

describe("making a virtual machine in a cgroup", () => {
  const slow = { "sys/module/kvm/parameters/nx_huge_pages": "N" };
  const v2 = "cgroup2 /sys/fs/cgroup cgroup2";
  const v1 =
    "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0";

  it("is slow on newer kernels, and what helps is said", () => {
    expect(check("vm creation", slow)).toMatchObject({
      status: "warn",
      text: expect.stringContaining("27 ms"),
      fix: expect.stringMatching(/nx_huge_pages=never.*or mount -o remount,favordynmods \/sys\/fs\/cgroup/),
    });
    expect(check("vm creation", slow, "5.10.0-1-amd64")?.status).toBe("ok");
  });

  it("is not with favordynmods", () => {
    expect(check("vm creation", { ...slow, "proc/mounts": `${v2} rw,favordynmods 0 0` })?.status).toBe("ok");
    expect(
      check("vm creation", { ...slow, "proc/mounts": `${v2} rw,nsdelegate,favordynmods,memory_recursiveprot 0 0` })
        ?.status,
    ).toBe("ok");
  });

  it("keeps its mitigation where the processor has the flaw", () => {
    const affected = { ...slow, [`${FLAWS}/itlb_multihit`]: "KVM: Mitigation: Split huge pages" };
    expect(check("vm creation", affected)?.fix).not.toContain("nx_huge_pages");
    expect(check("vm creation", { ...affected, "proc/mounts": v1 })?.fix).toMatch(/cgroup_favordynmods=true$/);
  });

  it("is not looked at where the kernel knows no such mitigation", () => {
    expect(check("vm creation", { "sys/module/kvm/parameters/nx_huge_pages": null })).toBeUndefined();
  });
});

describe("swap", () => {
  it("is a loss where it is on a disk", () => {
    expect(check("swap", { "proc/swaps": area("/dev/sda2") })).toMatchObject({
      status: "warn",
      text: expect.stringContaining("/dev/sda2"),
      fix: expect.stringContaining("swapoff"),
    });
    expect(check("swap", { "proc/swaps": area("/dev/dm-1") })?.status).toBe("warn");
  });

  it("is none in memory, or encrypted", () => {
    expect(check("swap", { "proc/swaps": area("/dev/zram0") })?.status).toBe("ok");
    const crypt = { "proc/swaps": area("/dev/dm-1"), "sys/block/dm-1/dm/uuid": "CRYPT-PLAIN-swap" };
    expect(check("swap", crypt)?.status).toBe("ok");
  });
});

it("merged pages and threads of a core are a loss", () => {
  expect(check("ksm", { "sys/kernel/mm/ksm/run": "1" })?.status).toBe("warn");
  expect(check("ksm", { "sys/kernel/mm/ksm/run": null })?.status).toBe("ok");
  expect(check("smt", { "sys/devices/system/cpu/smt/active": "1" })?.status).toBe("warn");
});

describe("flaws of the processor", () => {
  it("are named where they are open, with what the kernel says", () => {
    const open = {
      [`${FLAWS}/spec_store_bypass`]: "Vulnerable",
      [`${FLAWS}/spec_rstack_overflow`]: "Vulnerable: Safe RET, no microcode",
      [`${FLAWS}/l1tf`]: "Mitigation: PTE Inversion; VMX: vulnerable, SMT vulnerable",
    };
    const found = check("cpu flaws", open);
    expect(found).toMatchObject({ status: "warn", fix: expect.stringContaining("microcode") });
    expect(found?.text).toMatch(/l1tf \(.*spec_rstack_overflow \(.*spec_store_bypass \(Vulnerable\)/);
    expect(found?.text).not.toContain("spectre_v1");
  });

  it("are not open for the threads of a core alone", () => {
    expect(check("cpu flaws", { [`${FLAWS}/mds`]: "Mitigation: Clear CPU buffers; SMT vulnerable" })?.status).toBe(
      "ok",
    );
  });
});
