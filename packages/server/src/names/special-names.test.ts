import { expect, it } from "vitest";
import { createCeiling } from "./address-ceiling.ts";
import { isSpecialUse } from "./special-names.ts";

it.each([
  "localhost",
  "a.localhost",
  "printer.local",
  "router",
  "metadata.google.internal",
  "nas.home.arpa",
  "home.arpa",
  "a.test",
  "a.invalid",
  "a.onion",
  "wiki.corp",
  "wpad.lan",
  "ipv4only.arpa",
  "_dns.resolver.arpa",
  "1.0.0.10.in-addr.arpa",
  "254.169.254.169.in-addr.arpa",
  "1.0.0.127.in-addr.arpa",
  "10.in-addr.arpa",
  "in-addr.arpa",
  "8.8.8.in-addr.arpa",
  "8.8.8.8.8.in-addr.arpa",
  "b._dns-sd._udp.0.0.168.192.in-addr.arpa",
  "1.0.ip6.arpa",
  "ip6.arpa",
])("%s is not asked for", (name) => {
  expect(isSpecialUse(name, createCeiling())).toBe(true);
});

it.each([
  "example.com",
  "localhost.example.com",
  "local.example.com",
  "internal.io",
  "home.arpa.example.com",
  "8.8.8.8.in-addr.arpa",
  "mytest.dev",
  "a.b.c.d.e",
])("%s is", (name) => {
  expect(isSpecialUse(name, createCeiling())).toBe(false);
});

it("names of addresses that the operator lets guests reach are, and no others of that network's", () => {
  const ceiling = createCeiling(["192.168.7.0/24"]);
  expect(isSpecialUse("9.7.168.192.in-addr.arpa", ceiling)).toBe(false);
  for (const name of ["7.168.192.in-addr.arpa", "9.8.168.192.in-addr.arpa"])
    expect(isSpecialUse(name, ceiling)).toBe(true);
});
