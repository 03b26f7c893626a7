import { expect, it } from "vitest";
import { sshTunnel } from "./up.ts";

it("below SSH, says how to bring the page home", () => {
  const env = { SSH_CONNECTION: "192.0.2.7 50000 192.0.2.9 22", USER: "ada" };
  expect(sshTunnel("http://127.0.0.1:7681", env)).toBe("ssh -L 7681:127.0.0.1:7681 ada@192.0.2.9");
  expect(sshTunnel("http://127.0.0.1:7681", {})).toBeNull();
});
