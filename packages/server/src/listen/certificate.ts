import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { isIP } from "node:net";
import { unreadable } from "../process/unreadable.ts";

/** A chain of certificates is some 10 KiB. */
const MAX_BYTES = 256 * 1024;
/** Who else may read the key could be the server; who may write it, too. A group may read it: it is how a service gets a key. */
const OTHERS = 0o027;

/** `--tls-cert` and `--tls-key`. */
export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

export interface KeyPair {
  /** PEM: the certificate, then those that lead to its root. */
  readonly cert: string;
  readonly key: string;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** A pair that cannot be used; the message says why, and what to do. */
export class KeyPairError extends Error {
  override readonly name = "KeyPairError";
}

/**
 * Reads and checks a certificate and its key. `hosts`: names or addresses that the certificate has to cover. Whether it is valid now is
 * for the caller to say. Throws {@link KeyPairError}.
 */
export function readKeyPair({ cert: certFile, key: keyFile }: KeyPairFiles, hosts: readonly string[]): KeyPair {
  const cert = readPem("--tls-cert", certFile, 0);
  const key = readPem("--tls-key", keyFile, OTHERS);
  const certificate = parse("--tls-cert", certFile, "is no certificate in PEM", () => new X509Certificate(cert));
  const privateKey: KeyObject = parse("--tls-key", keyFile, "is no private key in PEM without a passphrase", () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new KeyPairError(`--tls-key ${keyFile} is not the key of --tls-cert ${certFile}: name the two of one pair`);
  }
  for (const host of hosts) {
    const isCovered = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
    if (isCovered !== undefined) continue;
    throw new KeyPairError(
      `--tls-cert ${certFile} is not for ${host}: it is for ${certificate.subjectAltName ?? "nothing"}. Get one that has that name too`,
    );
  }
  return { cert, key, validFrom: certificate.validFromDate, validTo: certificate.validToDate };
}

/** Why browsers refuse a certificate at that time; null: they do not. */
export function invalidity({ validFrom, validTo }: Pick<KeyPair, "validFrom" | "validTo">, now: Date): string | null {
  if (now > validTo) return `it has expired on ${validTo.toISOString()}`;
  return now < validFrom ? `it is valid from ${validFrom.toISOString()} only` : null;
}

function readPem(option: string, path: string, forbidden: number): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new KeyPairError(`${option} ${path} ${unreadable(path, cause)}`, { cause });
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.size > MAX_BYTES) throw new KeyPairError(`${option} ${path} is no file of PEM`);
    if ((found.mode & forbidden) !== 0) {
      throw new KeyPairError(`${option} ${path} may be read or changed by other users: chmod 640 ${path}`);
    }
    const bytes = Buffer.alloc(found.size);
    return bytes.subarray(0, readSync(fd, bytes)).toString("latin1");
  } finally {
    closeSync(fd);
  }
}

function parse<T>(option: string, path: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new KeyPairError(`${option} ${path} ${what} (${cause instanceof Error ? cause.message : String(cause)})`, {
      cause,
    });
  }
}
