import { expect, test } from "vitest";
import { adoptedOptions, proxyEnvironment } from "./apt-options.ts";

test("adopts the host's proxies and date checks, and nothing that runs a program or drops a signature", () => {
  const dump = `Acquire "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::Proxy::deb.example "DIRECT";
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "1";
DPkg::Post-Invoke:: "rm -f /var/cache/apt/*.bin";
`;
  expect(adoptedOptions(dump)).toEqual([
    'Acquire::http::Proxy "http://proxy.example:3128"',
    'Acquire::https::Proxy::deb.example "DIRECT"',
    'Acquire::Check-Valid-Until "false"',
  ]);
});

test("gives apt the proxy under the name it reads, the lower-case one first", () => {
  expect(
    proxyEnvironment({ HTTP_PROXY: "http://a", https_proxy: "http://b", HTTPS_PROXY: "http://c", NO_PROXY: "" }),
  ).toEqual({
    http_proxy: "http://a",
    https_proxy: "http://b",
  });
});
