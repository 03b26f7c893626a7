import { createPrivateKey, X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { createKeyPair, fingerprintOf, toPem } from "./key-pair.ts";

it("makes a certificate that OpenSSL reads, of the key beside it", () => {
  for (let turn = 0; turn < 50; turn += 1) {
    const { key, certificate } = createKeyPair("abcdefghij012345");
    const read = new X509Certificate(certificate);
    const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
    expect(read.subject).toBe("CN=abcdefghij012345");
    expect(read.subjectAltName).toBe("DNS:abcdefghij012345");
    expect(read.checkPrivateKey(privateKey)).toBe(true);
    expect(read.verify(read.publicKey)).toBe(true);
    expect(read.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(fingerprintOf(certificate));
    expect(new X509Certificate(toPem("CERTIFICATE", certificate)).raw).toEqual(certificate);
    expect(createPrivateKey(toPem("PRIVATE KEY", key)).asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  }
});

it("makes another key each time", () => {
  const [one, other] = [createKeyPair("a"), createKeyPair("a")];
  expect(fingerprintOf(one.certificate)).not.toBe(fingerprintOf(other.certificate));
});
