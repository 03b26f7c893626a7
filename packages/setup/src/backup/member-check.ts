import { BLOCK, padding, parseHeader, type TarHeader } from "../tar/tar-header.ts";
import { type Part, readAt } from "./part.ts";
import { BACKED_UP } from "./server-folder.ts";

/** What a tar may have in it. */
export interface Rule {
  readonly name: RegExp;
  readonly most: number;
  /** Bytes of one file, holes counted. */
  readonly mostBytes: number;
}

const GIB = 1024 ** 3;
/** No path goes up, and none begins with what options or hidden files begin with. */
const PATH = "(?:[\\w@][\\w.@:+-]*/)*[\\w@][\\w.@:+-]*/?";
export const SERVER_TAR: Rule = { name: new RegExp(`^${BACKED_UP}${PATH}$`), most: 1_000_000, mostBytes: 16 * GIB };
/** As the daemon's own limit. */
export const DISK_TAR = (id: string): Rule => ({
  name: new RegExp(`^disks/${id}\\.ext4$`),
  most: 1,
  mostBytes: 1024 * GIB,
});
export const IMAGE_TAR = (key: string): Rule => ({
  name: new RegExp(`^images/${key}(?:/[\\w][\\w.-]*)?/?$`),
  ...{ most: 100, mostBytes: 64 * GIB },
});

/** Properties of a member are a few lines. */
const MOST_PROPERTIES = 64 * 1024;
const SPARSE = /^GNU\.sparse\.(?:major|minor|name|realsize)$/;
const TIMES = /^(?:[amc]time|size)$/;

/** Throws an Error where a tar has anything but files and folders of the rule's names and sizes, also as root unpacks it. */
export function checkMembers(part: Part, rule: Rule): void {
  const end = part.at + part.bytes;
  let properties: ReadonlyMap<string, string> = new Map();
  let count = 0;
  for (let at = part.at; at + BLOCK <= end; ) {
    const header = parseHeader(readAt(part.fd, at, BLOCK));
    // tar(1) fills its last record up.
    if (header === null) return;
    at += BLOCK;
    if (header.type === "x") {
      if (header.bytes > MOST_PROPERTIES || at + header.bytes > end) throw new Error("one of its parts is cut off");
      properties = parseProperties(readAt(part.fd, at, header.bytes));
      at += header.bytes + padding(header.bytes);
      continue;
    }
    const stored = Number(properties.get("size") ?? header.bytes);
    checkMember(header, stored, properties, rule);
    count++;
    if (count > rule.most) throw new Error("one of its parts has too many files");
    properties = new Map();
    at += stored + padding(stored);
    if (!Number.isSafeInteger(stored) || at > end) throw new Error("one of its parts is cut off");
  }
  throw new Error("one of its parts is cut off");
}

function checkMember(
  { name, bytes, mode, type }: TarHeader,
  stored: number,
  properties: ReadonlyMap<string, string>,
  rule: Rule,
): void {
  const shown = properties.get("GNU.sparse.name") ?? properties.get("path") ?? name;
  if (type !== "0" && type !== "5")
    throw new Error(`it has something besides files and folders: ${JSON.stringify(shown)}`);
  if (!rule.name.test(shown)) throw new Error(`it has a file of a name that no backup has: ${JSON.stringify(shown)}`);
  // tar(1) skips no content of a folder, nor of a file whose name is a folder's: it would read that as members.
  const isFolder = type === "5";
  if ((isFolder && stored !== 0) || (!isFolder && (shown.endsWith("/") || name.endsWith("/"))))
    throw new Error(`it has a folder with content: ${JSON.stringify(shown)}`);
  // Root unpacks it, with the modes that it has.
  if ((mode & 0o7022) !== 0) throw new Error(`it has a file of a mode that no backup has: ${JSON.stringify(shown)}`);
  const size = Number(properties.get("GNU.sparse.realsize") ?? properties.get("size") ?? bytes);
  if (!(size >= 0 && size <= rule.mostBytes))
    throw new Error(`it has a file that is too large: ${JSON.stringify(shown)}`);
}

/** `LENGTH NAME=VALUE\n`, one after another (pax(1)). */
function parseProperties(bytes: Buffer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const [, length = ""] = /^([1-9]\d{0,5}) /.exec(bytes.toString("latin1", at, at + 8)) ?? [];
    const record = bytes.toString("utf8", at + length.length + 1, at + Number(length));
    const [, name = "", value = ""] = /^([\w.]+)=(.*)\n$/s.exec(record) ?? [];
    if (length === "" || (name !== "path" && !SPARSE.test(name) && !TIMES.test(name)))
      throw new Error("one of its parts has a property that no backup has");
    found.set(name, value);
    at += Number(length);
  }
  return found;
}
