import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { instanceName } from "../../packages/setup/src/data/paths.ts";
import type { Check } from "../../packages/setup/src/doctor/check.ts";

const MAIN = join(import.meta.dirname, "../../packages/setup/src/main.ts");

/** As Docker has it, by iptables' newer tables. */
const DOCKER = `
table ip filter {
  chain DOCKER-USER { }
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    jump DOCKER-USER
    oifname "docker0" ct state related,established accept
  }
}
`;
const FIREWALL = `
table inet guard {
  chain passing { type filter hook forward priority filter; policy drop; }
}
`;

it.runIf(process.getuid?.() === 0)("doctor sees the uplink and who drops what guests send, and changes neither", () => {
  const data = mkdtempSync(join(tmpdir(), "mt-doctor-"));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const link = `mt-${instanceName(data)}`;
  const exception = (chain: string) =>
    `nft add rule ${chain} iifname ${link} accept; nft add rule ${chain} oifname ${link} accept`;
  const steps = [
    "true",
    `ip link add out0 type veth peer name out1; ip link set out0 up; ip link set out1 up; ip route add default dev out0; nft '${DOCKER}'`,
    exception("ip filter DOCKER-USER"),
    `nft '${FIREWALL}'`,
    exception("inet guard passing"),
    // As microterm-host names what it makes, without its table and then with it.
    `ip link add ${link} type veth peer name router0`,
    `nft add table ip microterm-${instanceName(data)}; nft 'add chain ip microterm-${instanceName(data)} forward'`,
  ];
  const doctor = `"${process.execPath}" "${MAIN}" doctor -o json --data "${data}"`;
  const state = "{ nft list ruleset; ip -4 route; cut -d: -f1 /proc/net/dev; }";
  // In a network namespace of its own, which ends with it.
  const script = steps
    .map(
      (step) => `${step}; before=$(${state}); ${doctor} | tr -d '\\n'; echo; [ "$before" = "$(${state})" ] || exit 9`,
    )
    .join("\n");
  const { status, stdout, stderr } = spawnSync("unshare", ["--net", "sh", "-ec", script], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  const runs = stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { checks: readonly Check[] }).checks);
  const found = (name: string) => runs.map((checks) => checks.find((check) => check.name === name));
  expect(found("uplink")).toMatchObject([
    { status: "warn", fix: expect.stringMatching("--uplink") },
    ...Array.from({ length: 6 }, () => ({ status: "ok", text: "the default route goes by out0" })),
  ]);
  expect(found("firewall")).toMatchObject([
    { status: "ok" },
    {
      ...{ status: "warn", text: expect.stringMatching("^ip filter FORWARD drops") },
      fix: `iptables -I DOCKER-USER -i ${link} -j ACCEPT && iptables -I DOCKER-USER -o ${link} -j ACCEPT`,
    },
    { status: "ok" },
    {
      ...{ status: "warn", text: expect.stringMatching("^inet guard passing drops") },
      fix: `nft insert rule inet guard passing iifname ${link} accept && nft insert rule inet guard passing oifname ${link} accept`,
    },
    { status: "ok" },
    { status: "fail", text: expect.stringMatching("guests may reach this host") },
    { status: "ok" },
  ]);
});
