import { existsSync, readdirSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { plainText } from "@microterm/protocol";
import { SHOWN } from "../progress.ts";
import { type Check, ok, read, warn } from "./check.ts";

/** A host, or what a test puts in its place: `root` has its `dev`, `proc` and `sys`. */
export interface Host {
  readonly root: string;
  /** As `uname -r` says it. */
  readonly kernel: string;
}

const THIS_HOST: Host = { root: "/", kernel: release() };
/** The favouring of readers that makes it slow began with Linux 6.0. */
const SLOW_SINCE = 6;
const FLAWS = "sys/devices/system/cpu/vulnerabilities";

/**
 * Settings of a host that cost restores or isolation, after Firecracker's docs/prod-host-setup.md. None keeps microterm from working. Where there
 * is no KVM guests are emulated, which isolates nothing, so that only what is said of memory on disk matters.
 */
export function hostSettings(host: Host = THIS_HOST): readonly Check[] {
  if (!existsSync(join(host.root, "dev/kvm"))) return [swap(host)];
  const checks = [vmCreation(host), swap(host), samePages(host), threads(host), flaws(host)];
  return checks.filter((check) => check !== null);
}

/** Null where the kernel has no such mitigation: other architectures, older versions. */
function vmCreation({ root, kernel }: Host): Check | null {
  const name = "vm creation";
  const mitigation = read(join(root, "sys/module/kvm/parameters/nx_huge_pages"));
  if (mitigation === null) return null;
  if (Number.parseInt(kernel, 10) < SLOW_SINCE) return ok(name, "this kernel makes virtual machines in cgroups fast");
  if (mitigation === "never") return ok(name, "kvm.nx_huge_pages=never: no time is lost to its thread");
  const groups = (read(join(root, "proc/mounts")) ?? "").split("\n").filter((line) => / cgroup2? /.test(line));
  if (groups.some((line) => /[ ,]favordynmods[ ,]/.test(line)))
    return ok(name, "cgroups are mounted with favordynmods");
  const isV2 = groups.some((line) => line.split(" ")[1] === "/sys/fs/cgroup" && / cgroup2 /.test(line));
  const favour = isV2
    ? "mount -o remount,favordynmods /sys/fs/cgroup, at each boot"
    : "the kernel parameter cgroup_favordynmods=true";
  // Where the processor has the flaw, the mitigation keeps guests from halting the host.
  const isAffected = read(join(root, FLAWS, "itlb_multihit")) !== "Not affected";
  return warn(
    name,
    "kernels from 6.0 on may take some 27 ms to make a virtual machine in a cgroup, at each boot and restore",
    isAffected ? favour : `'options kvm nx_huge_pages=never' in /etc/modprobe.d/kvm.conf and a reboot, or ${favour}`,
  );
}

/** proc_swaps(5). */
function swap({ root }: Host): Check {
  const name = "swap";
  const areas = (read(join(root, "proc/swaps")) ?? "").split("\n").slice(1);
  const paths = areas.map((line) => line.split(/\s/)[0] ?? "").filter((path) => path !== "");
  const onDisk = paths.filter((path) => !path.startsWith("/dev/zram") && !isEncrypted(root, path));
  if (onDisk.length > 0) {
    return warn(
      name,
      `on at ${onDisk.map(shown).join(", ")}: memory of guests may be written to that disk and stay there`,
      "swapoff -a and its lines out of /etc/fstab, or encrypt it (crypttab(5), option swap)",
    );
  }
  return ok(name, paths.length === 0 ? "off" : `on at ${paths.map(shown).join(", ")}, in memory or encrypted`);
}

/** Whether it is a device of dm-crypt's, whose uuid says so. */
function isEncrypted(root: string, path: string): boolean {
  const device = /^\/dev\/(dm-\d+)$/.exec(path)?.[1];
  return device !== undefined && (read(join(root, "sys/block", device, "dm/uuid")) ?? "").startsWith("CRYPT-");
}

function samePages({ root }: Host): Check {
  const name = "ksm";
  if (read(join(root, "sys/kernel/mm/ksm/run")) !== "1")
    return ok(name, "off: guests share no pages that the kernel found alike");
  return warn(
    name,
    "the kernel merges pages that are alike: by the time of a write, a guest can tell what is in another's memory",
    "echo 2 >/sys/kernel/mm/ksm/run, and have nothing switch it on again (ksmtuned, ksm.service)",
  );
}

function threads({ root }: Host): Check {
  const name = "smt";
  if (read(join(root, "sys/devices/system/cpu/smt/active")) !== "1")
    return ok(name, "off: the kernel sees one thread of each core");
  return warn(
    name,
    "two guests may run on the two threads of a core, where flaws of processors let one see into the other",
    "the kernel parameter nosmt, or until the next boot: echo off >/sys/devices/system/cpu/smt/control",
  );
}

function flaws({ root }: Host): Check {
  const name = "cpu flaws";
  const open = openFlaws(join(root, FLAWS));
  if (open === null) return warn(name, "this kernel does not tell of them", "use a distribution's current kernel");
  if (open.length === 0) return ok(name, "the kernel knows of none that is open");
  return warn(
    name,
    `open: ${open.map(shown).join("; ")}: one guest may see into another, or into the host`,
    "install the processor's microcode (intel-microcode or amd64-microcode) and the newest kernel, boot without mitigations=off; in a virtual machine its host has to",
  );
}

/**
 * Flaws of the processor that are mitigated in part or not at all, each with what the kernel says of it; null where it says nothing. That of
 * threads of a core is `smt`'s.
 */
function openFlaws(folder: string): readonly string[] | null {
  try {
    const names = readdirSync(folder).toSorted();
    const known = names.map((name) => ({ name, state: read(join(folder, name)) ?? "" }));
    const isOpen = ({ state }: { state: string }) =>
      /vulnerable|no microcode/i.test(state.replace(/SMT vulnerable/g, ""));
    return known.filter(isOpen).map(({ name, state }) => `${name} (${state})`);
  } catch {
    return null;
  }
}

const shown = (text: string): string => plainText(text, SHOWN);
