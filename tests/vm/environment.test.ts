import { readFile } from "node:fs/promises";
import { Environment, Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, SERVER_UID, startQemuServer } from "../../support/qemu-server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

const machineIds = async () => (await world.daemon.client.list()).machines.map(({ machineId }) => machineId);
const status = async (pid: number | "self"): Promise<string> => readFile(`/proc/${pid}/status`, "utf8");

/** What a person's programs ask of any Debian. */
async function expectSystem(id: string): Promise<void> {
  expect(await world.run(id, "unshare -Urpf --mount-proc ps -o comm=")).toMatchObject({ code: 0, stdout: "ps\n" });
  const nodes = await world.run(id, "stat -c '%a %G %t:%T %n' /dev/fuse /dev/net/tun /dev/loop-control /dev/loop[07]");
  expect(nodes.stdout.trimEnd().split("\n")).toEqual([
    "666 root a:e5 /dev/fuse",
    "666 root a:c8 /dev/net/tun",
    "660 disk a:ed /dev/loop-control",
    "660 disk 7:0 /dev/loop0",
    "660 disk 7:7 /dev/loop7",
  ]);
  // Each driver comes with the first open, as dev where dev may.
  expect(await world.run(id, ": <>/dev/fuse && : <>/dev/net/tun && sudo losetup -f")).toMatchObject({
    code: 0,
    stdout: "/dev/loop0\n",
  });
  expect(Number((await world.run(id, "cat /proc/sys/fs/inotify/max_user_watches")).stdout)).toBeGreaterThanOrEqual(
    65_536,
  );
  expect(
    await world.run(
      id,
      "for one in pip make jq wget unzip man fusermount3 ip ss dig curl git ssh rsync; do command -v $one >/dev/null || echo $one; done",
    ),
  ).toMatchObject({ code: 0, stdout: "" });
  // Without privileges; and without a network a name fails at once, asked of the agent.
  const network =
    "grep -c ^virtio_net /proc/modules; ping -c 1 -q 127.0.0.1 >/dev/null && dig example.com | grep -o SERVFAIL";
  expect(await world.run(id, network)).toMatchObject({ code: 0, stdout: "1\nSERVFAIL\n", stderr: "" });
  const compiled = 'echo "int main(void) { return 42; }" | gcc -xc - -o /tmp/answer; /tmp/answer; echo $?';
  const others = 'python3 -c "import venv, ensurepip"; LC_ALL=de_DE.UTF-8 locale decimal_point';
  expect(await world.run(id, `${compiled}; ${others}`)).toMatchObject({ code: 0, stdout: "42\n,\n", stderr: "" });
}

async function writeSettings(id: string): Promise<void> {
  const settings = [
    'mkdir -p /etc/sysctl.d; echo "vm.swappiness = 7" >/etc/sysctl.d/50-a.conf; echo vm/laptop_mode=3 >>/etc/sysctl.conf',
    // What would keep the next start from ending, did the agent read or mount it.
    'printf "tmpfs %s tmpfs\\n" / /run /sys/fs/cgroup /usr/../proc >>/etc/fstab; rm /etc/machine-id; mkfifo /etc/machine-id',
    "ln -sf /dev/zero /etc/hostname; mkfifo /etc/sysctl.d/10-a.conf; truncate -s 100G /etc/sysctl.d/20-a.conf",
    'echo "tmpfs /mnt tmpfs size=1m 0 0" >>/etc/fstab; echo "GREETING=\\"from a file\\"" >>/etc/environment',
  ];
  expect(await world.run(id, `sudo sh -ec '${settings.join("; ")}'`)).toMatchObject({ code: 0, stderr: "" });
  expect((await world.run(id, 'echo "$GREETING"')).stdout).toBe("from a file\n");
}

/** After the next start. */
async function expectSettings(id: string): Promise<void> {
  const applied = 'cd /proc/sys/vm; cat swappiness laptop_mode; findmnt -no FSTYPE,OPTIONS /mnt; echo "$GREETING"';
  expect((await world.run(id, applied)).stdout).toMatch(/^7\n3\ntmpfs .*size=1024k.*\nfrom a file\n$/);
  expect((await world.run(id, "cat /etc/hostname; wc -c </etc/machine-id; findmnt -no TARGET /run")).stdout).toBe(
    "life\n33\n/run\n",
  );
}

describe("an environment in a real guest, by a server that is no root", () => {
  it("lives from its creation to its receipt", async () => {
    expect(await status(world.server.pid)).toMatch(new RegExp(`^Uid:\\s+${SERVER_UID}\\s+${SERVER_UID}`, "m"));
    expect(await status(world.server.pid)).toMatch(/^CapEff:\t0+$/m);

    const { server } = world;
    const created = Environment.parse(
      await server.ok("POST", "/v1/environments", { name: "life", memoryMib: 192, diskMib: 256 }),
    );
    expect(created).toMatchObject({ state: "creating", driver: "qemu", accelerator: "tcg", isolation: "emulated" });
    const { id } = created;
    expect(Environment.parse(await world.until(id, "running"))).toMatchObject({ terminals: [{ exit: null }] });

    const machines = await machineIds();

    const first = await world.run(id, "id -un; pwd; hostname; cat /proc/1/comm; findmnt -no FSTYPE /; nproc");
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout.split("\n").slice(0, 3)).toEqual(["dev", "/home/dev", "life"]);
    expect(first.stdout).toContain("overlay\n1\n");
    expect((await world.run(id, "cat /proc/sys/kernel/random/boot_id")).stdout).not.toBe(
      await readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    );
    await expectSystem(id);
    await writeSettings(id);
    const put = await server.call("PUT", `/v1/environments/${id}/files/content?path=kept.txt`, { raw: "kept\n" });
    expect(put.status).toBe(201);
    expect((await world.run(id, "exit 7")).code).toBe(7);
    const reopened = "echo out >/dev/stdout; echo err >/dev/stderr; cat </dev/stdin; echo tee | tee /dev/stderr";
    expect(await world.run(id, reopened)).toMatchObject({ code: 0, stdout: "out\ntee\n", stderr: "err\ntee\n" });

    await server.ok("POST", `/v1/environments/${id}/stop`);
    expect(await world.until(id, "stopped")).toMatchObject({ operation: null, reason: null, terminals: [] });
    expect(await scanMachines(world.daemon, machines)).toEqual([`disk ${id}.ext4`]);

    await server.ok("POST", `/v1/environments/${id}/start`);
    await world.until(id, "running");
    expect((await world.run(id, "cat kept.txt; echo more >> kept.txt")).stdout).toBe("kept\n");

    await expectSettings(id);

    const [terminal] = (await server.ok("GET", `/v1/environments/${id}/terminals`)).terminals;
    const client = await new TerminalClient(server, id, terminal.id).opened();
    client.type("sudo poweroff\n");
    expect(await world.until(id, "stopped")).toMatchObject({ reason: "the guest powered off" });
    // 1000 when the shell's own end came through before the guest's.
    expect([1000, 4404]).toContain((await client.ended).code);
    await expect.poll(() => scanMachines(world.daemon, machines)).toEqual([`disk ${id}.ext4`]);

    await server.ok("POST", `/v1/environments/${id}/start`);
    await world.until(id, "running");
    expect((await world.run(id, "cat kept.txt")).stdout).toBe("kept\nmore\n");
    machines.push(...(await machineIds()));

    const receipt = Receipt.parse(await server.ok("DELETE", `/v1/environments/${id}`));
    expect(receipt).toMatchObject({ environment: id, name: "life", left: [] });
    const { namespaces, links, flows, ...removed } = receipt.removed;
    expect({ namespaces, links, flows }, "this daemon has no networks").toEqual({ namespaces: 0, links: 0, flows: 0 });
    for (const [kind, count] of Object.entries(removed)) expect(count, kind).toBeGreaterThan(0);
    expect(await scanMachines(world.daemon, [id, ...machines])).toEqual([]);
    expect((await server.call("GET", `/v1/environments/${id}`)).status).toBe(404);
    expect(await server.ok("DELETE", `/v1/environments/${id}`)).toEqual(receipt);
  });

  it("is destroyed by two clients at once, who both get its receipt", async () => {
    const id = await world.create();
    const ids = [id, ...(await machineIds())];
    const [one, two] = await Promise.all([
      world.server.ok("DELETE", `/v1/environments/${id}`),
      world.server.ok("DELETE", `/v1/environments/${id}`),
    ]);
    expect(one).toEqual(two);
    expect(Receipt.parse(one).left).toEqual([]);
    expect(await scanMachines(world.daemon, ids)).toEqual([]);
  });

  it("is refused before anything is made when it wants more memory or disk than the host has", async () => {
    const wants = async (body: object) => {
      const { status, json } = await world.server.call("POST", "/v1/environments", { body });
      return [status, json.code];
    };
    expect(await wants({ memoryMib: 65_536 })).toEqual([503, "HOST_OUT_OF_MEMORY"]);
    expect(await wants({ diskMib: 1_048_576 })).toEqual([507, "HOST_OUT_OF_DISK"]);
    expect((await world.server.ok("GET", "/v1/environments")).environments).toEqual([]);
    expect(await scanMachines(world.daemon)).toEqual([]);
  });
});
