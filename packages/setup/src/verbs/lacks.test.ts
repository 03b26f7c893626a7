import { expect, it } from "vitest";
import { lacks } from "./lacks.ts";
import { readUpOptions } from "./options.ts";

const RUNNING = ["serve", "--network", "open", "--allow-host", "a:80,b:80", "--overcommit", "cpu=16,memory=2,disk=1"];
const LAST = { uplink: "eth1", allowPrivate: ["10.1.0.0/16"] };
const lacking = (args: readonly string[], last: typeof LAST | null = LAST) => lacks(RUNNING, readUpOptions(args), last);

it("a running server lacks nothing of what is not asked for, and of what it has", () => {
  expect(lacking([])).toEqual([]);
  expect(lacking(["--allow-host", "b:80", "--network", "open", "--overcommit", "cpu=16"])).toEqual([]);
  expect(lacking(["--uplink", "eth1", "--allow-private", "10.1.0.0/16"])).toEqual([]);
});

it("another driver is lacking where it is asked for by name", () => {
  const running = ["serve", "--driver", "qemu", "--image", "0123456789abcdef"];
  const lackingOf = (...args: readonly string[]) => lacks(running, readUpOptions(args), null);
  expect(lackingOf()).toEqual([]);
  expect(lackingOf("--driver", "auto")).toEqual([]);
  expect(lackingOf("--driver", "qemu")).toEqual([]);
  expect(lackingOf("--driver", "firecracker")).toEqual(["--driver firecracker"]);
});

it("a server that is reached in another way lacks what is asked for", () => {
  const options = ["--public-url", "https://a.example.org", "--trust-proxy", "127.0.0.1"];
  expect(lacking(options)).toEqual(["--public-url https://a.example.org", "--trust-proxy 127.0.0.1"]);
  expect(lacks([...RUNNING, ...options], readUpOptions(options), LAST)).toEqual([]);
  const other = readUpOptions(options.with(1, "https://b.example.org"));
  expect(lacks([...RUNNING, ...options], other, LAST)).toEqual(["--public-url https://b.example.org"]);
});

it("what is new is named as it is asked for", () => {
  expect(
    lacking([
      "--allow-host",
      "c:80",
      "--network",
      "none",
      "--overcommit",
      "disk=2",
      "--metrics",
      "1",
      "--audit-days",
      "7",
      "--audit-arguments",
    ]),
  ).toEqual([
    ...[
      "c:80",
      "--overcommit cpu=16,memory=2,disk=2",
      "--network none",
      "--audit-days 7",
      "--audit-arguments",
      "--metrics 1",
    ],
  ]);
  expect(lacking(["--anonymous-links", "off"])).toEqual(["--anonymous-links off"]);
  expect(lacking(["--local-accounts", "off"])).toEqual(["--local-accounts off"]);
  expect(lacking(["--local-accounts", "on"])).toEqual([]);
  const args = ["--uplink", "eth2", "--allow-private", "10.1.0.0/16", "--allow-private", "10.2.0.1"];
  expect(lacking(args)).toEqual(["--uplink eth2", "--allow-private 10.2.0.1/32"]);
  expect(lacking(["--uplink", "eth1", "--allow-private", "10.1.0.0/16"], null)).toEqual([
    ...["--uplink eth1", "--allow-private 10.1.0.0/16"],
  ]);
});
