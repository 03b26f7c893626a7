import { createPrivateKey, X509Certificate } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { systemCode } from "../unix-socket.ts";
import { createKeyPair, type KeyPair } from "./key-pair.ts";

const Base64 = z.base64().max(4096);
const File = z.strictObject({ version: z.literal(1), key: Base64, certificate: Base64 });

/**
 * What an installation's servers show to agents and to each other: read from its file, or made and kept there. Agents believe no other for as long as they live,
 * so that a file that cannot be read is for a person to repair. One that others have made may be PEM, with a private key of P-256 and its certificate.
 */
export function openIdentity(path: string): KeyPair {
  try {
    return read(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw new Error(`${path} cannot be read: ${String(error)}`, { cause: error });
  }
  const { key, certificate } = createKeyPair("microterm");
  const staged = `${path}.${process.pid}`;
  const text = { version: 1, key: key.toString("base64"), certificate: certificate.toString("base64") };
  writeFileSync(staged, JSON.stringify(text), { mode: 0o600, flush: true });
  try {
    // Never over another one.
    linkSync(staged, path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  } finally {
    rmSync(staged, { force: true });
  }
  return read(path);
}

function read(path: string): KeyPair {
  const text = readFileSync(path, "utf8");
  if (text.includes("-----BEGIN ")) return fromPem(text);
  const { key, certificate } = File.parse(JSON.parse(text));
  return { key: Buffer.from(key, "base64"), certificate: Buffer.from(certificate, "base64") };
}

function fromPem(text: string): KeyPair {
  const key = createPrivateKey(text);
  const certificate = new X509Certificate(text);
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  if (namedCurve !== "prime256v1") throw new Error("its key is not one of P-256");
  if (!certificate.checkPrivateKey(key)) throw new Error("its key and its certificate do not belong together");
  return { key: key.export({ type: "pkcs8", format: "der" }), certificate: certificate.raw };
}
