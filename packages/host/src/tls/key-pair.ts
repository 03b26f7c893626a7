import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { bitString, contextTag, der, implicitTag, integer, objectId, sequence, TAG } from "./der.ts";

/** RFC 5758. */
const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const SUBJECT_ALT_NAME = "2.5.29.17";
/** Nothing asks a clock: who has the fingerprint knows for itself how long it believes it. */
const VALIDITY = sequence(
  ...["20000101000000Z", "99991231235959Z"].map((time) => der(TAG.generalizedTime, Buffer.from(time))),
);

/** A key of P-256 with a certificate that it has signed itself, as TLS wants one. Whoever pins it asks no authority. */
export interface KeyPair {
  /** PKCS #8, DER. */
  readonly key: Buffer;
  /** DER. */
  readonly certificate: Buffer;
}

/** `name` is its subject, and its one DNS name. */
export function createKeyPair(name: string): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const text = Buffer.from(name);
  const subject = sequence(der(TAG.set, sequence(objectId(COMMON_NAME), der(TAG.utf8String, text))));
  const names = sequence(objectId(SUBJECT_ALT_NAME), der(TAG.octetString, sequence(der(implicitTag(2), text))));
  const content = sequence(
    der(contextTag(0), integer(Buffer.of(2))),
    integer(randomBytes(16)),
    ECDSA_WITH_SHA256,
    subject,
    VALIDITY,
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(contextTag(3), sequence(names)),
  );
  const certificate = sequence(content, ECDSA_WITH_SHA256, bitString(sign("sha256", content, privateKey)));
  return { key: privateKey.export({ type: "pkcs8", format: "der" }), certificate };
}

/** The SHA-256 of a certificate, in hex. */
export const fingerprintOf = (certificate: Uint8Array): string =>
  createHash("sha256").update(certificate).digest("hex");

export const toPem = (kind: "CERTIFICATE" | "PRIVATE KEY", bytes: Buffer): string =>
  `-----BEGIN ${kind}-----\n${bytes.toString("base64").replaceAll(/.{64}/g, "$&\n").trimEnd()}\n-----END ${kind}-----\n`;
