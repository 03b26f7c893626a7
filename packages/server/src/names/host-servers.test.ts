import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { hostNameServers, nameServersIn } from "./host-servers.ts";

const addresses = (text: string) => nameServersIn(text).map(({ address }) => address);

it("the name servers are those that the C library would ask", () => {
  expect(addresses("# a comment\nsearch example.com\nnameserver 10.0.0.1\n  nameserver\t10.0.0.2  # second\n")).toEqual(
    ["10.0.0.1", "10.0.0.2"],
  );
  expect(addresses("nameserver ::1\nnameserver fe80::1%eth0\nnameserver name\nnameserver\n")).toEqual([
    "::1",
    "fe80::1%eth0",
  ]);
  expect(addresses([1, 2, 3, 4].map((number) => `nameserver 10.0.0.${number}`).join("\n"))).toHaveLength(3);
  expect(addresses("")).toEqual(["127.0.0.1"]);
});

it("a file that is not there is one without servers", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mt-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "resolv.conf");
  expect(hostNameServers(path)()).toEqual([{ address: "127.0.0.1", port: 53 }]);
  await writeFile(path, "nameserver 10.0.0.1\n");
  expect(hostNameServers(path)()).toEqual([{ address: "10.0.0.1", port: 53 }]);
});
