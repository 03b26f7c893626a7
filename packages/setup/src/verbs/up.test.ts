import { expect, it } from "vitest";
import { readUpOptions } from "./options.ts";
import { networkArgs, sshTunnel } from "./up.ts";

it("the server is told of networks what it was asked for", () => {
  expect(networkArgs(readUpOptions([]))).toEqual([]);
  const args = ["--network", "none", "--allow-private", "10.1.0.0/16", "--allow-private", "192.168.7.9"];
  expect(networkArgs(readUpOptions(args))).toEqual([
    ...["--network", "none", "--allow-private", "10.1.0.0/16,192.168.7.9/32"],
  ]);
});

it("below SSH, says how to bring the page home", () => {
  const env = { SSH_CONNECTION: "192.0.2.7 50000 192.0.2.9 22", USER: "ada" };
  expect(sshTunnel("http://127.0.0.1:7681", env)).toBe("ssh -L 7681:127.0.0.1:7681 ada@192.0.2.9");
  expect(sshTunnel("http://127.0.0.1:7681", {})).toBeNull();
});
