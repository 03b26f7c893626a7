import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runCommand } from "../command.ts";
import { openIdentity } from "./identity.ts";

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "microterm-identity-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "identity.json");
}

it("is made once, for its owner alone, and is the same from then on", () => {
  const path = scratch();
  const made = openIdentity(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(openIdentity(path)).toEqual(made);
});

it("is never made anew over one that cannot be read: agents believe no other", () => {
  const path = scratch();
  writeFileSync(path, "{");
  expect(() => openIdentity(path)).toThrow(`${path} cannot be read`);
  expect(readFileSync(path, "utf8")).toBe("{");
});

it.each(["prime256v1", "secp384r1"])("may be PEM that openssl has made, of P-256 alone: %s", async (curve) => {
  const path = scratch();
  const key = ["-newkey", "ec", "-pkeyopt", `ec_paramgen_curve:${curve}`, "-nodes", "-keyout", path];
  const made = await runCommand(["openssl", "req", "-x509", ...key, "-subj", "/CN=microterm", "-days", "9"]);
  expect([made.code, made.stderr.includes("error")]).toEqual([0, false]);
  writeFileSync(path, readFileSync(path, "utf8") + made.stdout);
  if (curve !== "prime256v1") return expect(() => openIdentity(path)).toThrow("not one of P-256");
  const { key: read, certificate } = openIdentity(path);
  expect(createPrivateKey({ key: read, format: "der", type: "pkcs8" }).asymmetricKeyType).toBe("ec");
  expect(new X509Certificate(certificate).subject).toBe("CN=microterm");
});
