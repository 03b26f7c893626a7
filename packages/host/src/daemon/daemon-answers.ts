import { plainText } from "@microterm/protocol";
import { z } from "zod";

/**
 * Answers of microterm-host, as in docs/reference/host-protocol.md. The daemon is ours, and checked all the same: who owns a data
 * folder can put another program's socket into it, and its words are shown to users, root among them.
 */
const words = z.string().transform((text) => plainText(text, { layout: "lines", max: 4000 }));
const count = z.number().int().nonnegative();
const key = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/);
const id = z.string().regex(/^[a-z0-9]{8,32}$/);
const template = z.string().regex(/^[0-9a-f]{16,64}$/);
const magic = z.string().regex(/^[0-9a-f]{32}$/);

export const HostCode = z.enum([
  "bad-request",
  "denied",
  "not-found",
  "exists",
  "busy",
  "no-space",
  "no-memory",
  "no-network",
  "image-corrupt",
  "snapshot-corrupt",
  "snapshot-failed",
  "unsupported",
  "internal",
]);
export type HostCode = z.infer<typeof HostCode>;

export const Reply = z.union([
  z.strictObject({ id: count, ok: z.record(z.string(), z.unknown()) }),
  z.strictObject({ id: count.nullable(), error: z.strictObject({ code: HostCode, message: words }) }),
]);

const RemovedFiles = z.strictObject({ files: count, bytes: count });
const Removed = z.strictObject({ processes: count, cgroups: count, sockets: count, files: count, uids: count });

const slot = z.string().regex(/^s\d{1,4}$/);
const macAddress = z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/);
const address = z.ipv4();
const Attached = z.strictObject({
  ...{ slot, macAddress, address, prefixLength: count, gateway: address, mtu: count },
});
const Traffic = z.strictObject({ bytes: count, packets: count });

/** `fixedMib`, and `cpuMib` for each CPU, and one MiB for each `memoryDivisor` of the guest's (null: none), rounded up. */
const Overhead = z.strictObject({
  fixedMib: count,
  cpuMib: count,
  memoryDivisor: z.number().int().positive().nullable(),
});

export const VmmName = z.enum(["qemu", "firecracker"]);
export type VmmName = z.infer<typeof VmmName>;

export const HostMachine = z.strictObject({
  machineId: id,
  alive: z.boolean(),
  pid: count.nullable(),
  uid: count.nullable(),
  diskId: id.nullable(),
  image: key.nullable(),
  // Null where the daemon died before it had written the machine's record.
  memoryMib: count.nullable(),
  startedUnixMs: count.nullable(),
  bootId: z.string().nullable(),
  environment: z.string().nullable(),
  magic: magic.nullable(),
  /** Daemons before this one had QEMU alone. Null where the machine's record was never written. */
  vmm: VmmName.nullable().default("qemu"),
});
export type HostMachine = z.infer<typeof HostMachine>;

/** Verb → answer. */
export const ANSWERS = {
  hello: z.strictObject({
    protocol: z.literal(1),
    version: words,
    pid: count,
    supervisorPid: count,
    instance: words,
    bootId: words,
    cgroup: z.enum(["v1", "v2", "none"]),
    /** Daemons before this one limited none, and did not say so. */
    limitsCpu: z.boolean().default(false),
    qemu: words.nullable(),
    /** `problem` says, for a person, why there is none that runs here. Null of daemons before this one, which know of none. */
    firecracker: z.strictObject({ version: words.nullable(), problem: words.nullable() }).nullable().default(null),
    images: z.array(key),
  }),
  settle: z.strictObject({}),
  "image.verify": z.strictObject({ ok: z.boolean(), bad: z.array(words) }),
  "image.import": z.strictObject({ imported: z.array(key), images: z.array(key) }),
  "image.list": z.strictObject({
    images: z.array(
      z.strictObject({
        image: key,
        allocatedBytes: count,
        importedUnixMs: count,
        isOffered: z.boolean(),
        isUsed: z.boolean(),
      }),
    ),
  }),
  "image.remove": z.strictObject({ removed: RemovedFiles }),
  "disk.create": z.strictObject({}),
  "disk.remove": z.strictObject({ removed: RemovedFiles }),
  "machine.launch": z.strictObject({ pid: count, uid: count, magic }),
  "machine.save": z.strictObject({ allocatedBytes: count }),
  "machine.kill": z.strictObject({ removed: Removed }),
  "template.find": z.strictObject({ key: template, isBuilt: z.boolean() }),
  "template.save": z.strictObject({ allocatedBytes: count }),
  "template.list": z.strictObject({
    templates: z.array(z.strictObject({ template, isBuilt: z.boolean(), allocatedBytes: count })),
  }),
  "template.remove": z.strictObject({ removed: RemovedFiles }),
  "save.list": z.strictObject({
    saves: z.array(z.strictObject({ saveId: id, isWhole: z.boolean(), image: key.nullable(), allocatedBytes: count })),
  }),
  "save.remove": z.strictObject({ removed: RemovedFiles }),
  list: z.strictObject({
    machines: z.array(HostMachine),
    disks: z.array(z.strictObject({ diskId: id, sizeMib: count, allocatedBytes: count })),
  }),
  scan: z.strictObject({
    found: z.array(
      z.strictObject({
        kind: z.enum(["process", "cgroup", "socket", "file", "uid", "mount", "netns", "slot"]),
        name: z.string(),
      }),
    ),
  }),
  "machine.usage": z.strictObject({ cpuUsec: count, memoryBytes: count, pids: count }),
  "machine.limit": z.strictObject({}),
  "machine.overhead": z.strictObject({ tcg: Overhead, kvm: Overhead, firecracker: Overhead.optional() }),
  "network.status": z.strictObject({
    isAvailable: z.boolean(),
    reason: words.nullable(),
    uplink: words.nullable(),
    range: words.nullable(),
    freeSlots: count,
    attachedSlots: count,
  }),
  "network.list": z.strictObject({
    slots: z.array(z.strictObject({ slot, machineId: id })),
    spare: z.array(slot),
  }),
  "network.attach": Attached,
  "network.join": Attached,
  "network.leave": Attached,
  "network.policy": z.strictObject({ marks: z.array(count) }),
  "network.admit": z.strictObject({}),
  "network.denials": z.strictObject({
    denials: z.array(
      z.strictObject({
        ...{ address, protocol: count, port: count.nullable(), packets: count },
        isForbidden: z.boolean(),
      }),
    ),
  }),
  "network.usage": z.strictObject({
    ...{ sent: Traffic, received: Traffic },
    // Daemons before this one counted none.
    ...{ connections: count.nullable().default(null), opened: count.nullable().default(null) },
    ...{ deniedPackets: count, exceededPackets: count, floodedPackets: count, spoofedPackets: count },
  }),
  "network.release": z.strictObject({ removed: z.strictObject({ namespaces: count, links: count, flows: count }) }),
  "network.remove": z.strictObject({}),
  "host.resources": z.strictObject({
    memory: z.strictObject({ totalMib: count, availableMib: count }),
    disk: z.strictObject({ totalMib: count, freeMib: count }),
    cpus: count,
  }),
  "jail.probe": z.strictObject({
    checks: z.array(z.strictObject({ name: words, refused: z.boolean(), detail: words })),
  }),
} as const;

export type HostVerb = keyof typeof ANSWERS;
export type HostAnswer<Verb extends HostVerb> = z.infer<(typeof ANSWERS)[Verb]>;
