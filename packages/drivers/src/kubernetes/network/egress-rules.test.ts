import type { NetworkPolicy } from "@microterm/protocol";
import { expect, it } from "vitest";
import { egressRulesOf } from "./egress-rules.ts";

const CEILING = { allowPrivate: [], own: ["11.0.0.5", "10.0.0.5"] };
const allow = (...rules: Extract<NetworkPolicy, { mode: "allowlist" }>["allow"]): NetworkPolicy => ({
  mode: "allowlist",
  allow: rules,
});
const blocksOf = (policy: NetworkPolicy, ceiling = CEILING as Parameters<typeof egressRulesOf>[1]) =>
  egressRulesOf(policy, ceiling).map(({ to }) => to?.[0]?.ipBlock);

it("lets nothing out of none, and of an empty list", () => {
  expect(egressRulesOf({ mode: "none" }, CEILING)).toEqual([]);
  expect(egressRulesOf(allow(), CEILING)).toEqual([]);
});

it("lets everything out of open but what no policy opens", () => {
  const [block, ...others] = blocksOf({ mode: "open" });
  expect(others).toEqual([]);
  expect(block?.cidr).toBe("0.0.0.0/0");
  const without = [
    "10.0.0.0/8",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "168.63.129.16/32",
    "100.64.0.0/10",
    "11.0.0.5/32",
  ];
  expect(block?.except).toEqual(expect.arrayContaining(without));
  // What is in another of them is not said twice.
  expect(block?.except).not.toContain("10.0.0.5/32");
  expect(block?.except).not.toContain("100.100.100.200/32");
  expect(new Set(block?.except).size).toBe(block?.except?.length);
});

it("is as wide as the ranges of a list, less what no policy opens", () => {
  expect(blocksOf(allow({ cidr: "11.0.0.0/24" }, { cidr: "1.1.1.1/32" }, { cidr: "11.0.0.5/32" }))).toEqual([
    { cidr: "11.0.0.0/24", except: ["11.0.0.5/32"] },
    { cidr: "1.1.1.1/32" },
  ]);
  // All of these are below the ceiling's ranges.
  expect(blocksOf(allow({ cidr: "10.1.0.0/16" }, { cidr: "169.254.169.254/32" }, { cidr: "10.0.0.0/8" }))).toEqual([]);
  expect(blocksOf(allow({ cidr: "8.0.0.0/5" }))).toEqual([
    { cidr: "8.0.0.0/5", except: ["10.0.0.0/8", "11.0.0.5/32"] },
  ]);
});

it("opens what the operator excepts, and not what nothing opens", () => {
  const ceiling = { ...CEILING, allowPrivate: ["10.0.0.0/24", "169.254.0.0/16"] };
  expect(blocksOf({ mode: "open" }, ceiling).slice(1)).toEqual([{ cidr: "10.0.0.0/24", except: ["10.0.0.5/32"] }]);
  expect(blocksOf(allow({ cidr: "10.0.0.7/32" }, { cidr: "10.0.0.5/32" }, { cidr: "10.0.1.1/32" }), ceiling)).toEqual([
    { cidr: "10.0.0.7/32" },
  ]);
});

it("has the ports and the protocol of its rule", () => {
  const portsOf = (rule: Parameters<typeof allow>[0]) => egressRulesOf(allow(rule), CEILING)[0]?.ports;
  expect(portsOf({ cidr: "1.1.1.1/32" })).toBeUndefined();
  expect(portsOf({ cidr: "1.1.1.1/32", protocol: "udp" })).toEqual([{ protocol: "UDP" }]);
  expect(portsOf({ cidr: "1.1.1.1/32", ports: [80, 443] })).toEqual([
    { protocol: "TCP", port: 80 },
    { protocol: "TCP", port: 443 },
  ]);
});

it("refuses a domain, of which it knows no address", () => {
  expect(() => egressRulesOf(allow({ domain: "a.example" }), CEILING)).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED" }),
  );
});
