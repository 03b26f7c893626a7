import { X509Certificate } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type Check, fail, ok, warn } from "./check.ts";

const NAME = "certificate";
const MAX_BYTES = 256 * 1024;
/** Those who renew by themselves do so a month ahead: less is left only where that has failed. */
const SOON_DAYS = 14;
const DAY_MS = 86_400_000;

/** How long the certificate of the server's own TLS is valid. `path`: that of the last `up`; null: it had none. */
export function certificateCheck(path: string | null, now = new Date()): readonly Check[] {
  if (path === null) return [];
  const fix = "renew it in its file: the server takes the new one up by itself";
  try {
    const { validFromDate, validToDate } = new X509Certificate(readBytes(path));
    const until = validToDate.toISOString().slice(0, 10);
    if (now > validToDate) return [fail(NAME, `${path} has expired on ${until}: browsers refuse it`, fix)];
    if (now < validFromDate) {
      const from = validFromDate.toISOString();
      return [fail(NAME, `${path} is valid from ${from} only: browsers refuse it`, "look at this host's clock")];
    }
    const days = Math.floor((validToDate.getTime() - now.getTime()) / DAY_MS);
    const text = `${path} is valid until ${until}, for ${days} days`;
    return [days < SOON_DAYS ? warn(NAME, text, fix) : ok(NAME, text)];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [fail(NAME, `${path} cannot be read as a certificate: ${why}`, "./microterm up with --tls-cert FILE")];
  }
}

function readBytes(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new Error("it is no file");
    const bytes = Buffer.alloc(MAX_BYTES);
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
