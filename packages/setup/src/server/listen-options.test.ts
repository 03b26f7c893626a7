import { expect, it } from "vitest";
import { withoutListening } from "./listen-options.ts";

it("a server for this host alone is told of no other address", () => {
  const args = ["serve", "--listen", "0.0.0.0", "--templates", "--tls-cert", "/c", "--tls-key", "/k", "--pool", "2"];
  const open = [...args, "--public-url", "https://a.example.org", "--trust-proxy", "10.0.0.2", "--allow-host", "b"];
  expect(withoutListening(open)).toEqual(["serve", "--templates", "--pool", "2"]);
});
