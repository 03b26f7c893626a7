import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** Where the guest's packages come from. */
export interface AptSources {
  /** Debian's code name, such as `bookworm`. */
  readonly suite: string;
  /** One-line entries of sources.list(5). */
  readonly lines: readonly string[];
}

interface Source {
  readonly types: readonly string[];
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** The keyring's path; empty where the entry names none. */
  readonly signedBy: string;
}

/** The guest's release where the host is not Debian 12 or newer. */
const DEFAULT_SUITE = "bookworm";
const OLDEST_DEBIAN = 12;
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

const words = (text: string | undefined) => (text ?? "").split(/\s+/).filter(Boolean);

/** os-release(5): `KEY=value` lines, values possibly in quotes. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/gm)].map(
      ([, key, double, single, bare]) => [key as string, double ?? single ?? bare ?? ""] as const,
    ),
  );
}

/** deb822 style (sources.list(5)): stanzas of fields, continued by an indent. Disabled ones are left out. */
export function parseDeb822(text: string): readonly Source[] {
  return text.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    let last = "";
    for (const line of stanza.split("\n").filter((line) => !line.startsWith("#"))) {
      const field = /^([^\s:]+):\s*(.*)$/.exec(line);
      if (field) {
        last = (field[1] as string).toLowerCase();
        fields.set(last, field[2] as string);
      } else if (last !== "") fields.set(last, `${fields.get(last)} ${line.trim()}`);
    }
    if (/^(no|false|0|off|without|disable)$/i.test(fields.get("enabled") ?? "yes")) return [];
    const [types, uris, suites, components] = ["types", "uris", "suites", "components"].map((key) =>
      words(fields.get(key)),
    ) as [string[], string[], string[], string[]];
    return [{ types, uris, suites, components, signedBy: (fields.get("signed-by") ?? "").trim() }];
  });
}

/** One-line style: `deb [options] uri suite component…`. */
export function parseOneLine(text: string): readonly Source[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) return [];
    const [, type, options, uri, suite, components] = match as unknown as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const signedBy = /signed-by=(\S+)/.exec(options ?? "")?.[1] ?? "";
    return [{ types: [type], uris: [uri], suites: [suite], components: words(components), signedBy }];
  });
}

async function hostSources(hostRoot: string): Promise<readonly Source[]> {
  const apt = join(hostRoot, "etc/apt");
  const read = (path: string) => readFile(path, "utf8").catch(() => "");
  const parts = (await readdir(join(apt, "sources.list.d")).catch(() => [] as string[])).sort();
  const sources = [...parseOneLine(await read(join(apt, "sources.list")))];
  for (const part of parts) {
    const text = await read(join(apt, "sources.list.d", part));
    if (part.endsWith(".sources")) sources.push(...parseDeb822(text));
    else if (part.endsWith(".list")) sources.push(...parseOneLine(text));
  }
  return sources;
}

/** Vendors call their suites after Debian's too; Debian's own archives are known by their path and their key. */
const isDebianArchive = (uri: string) => /^(https?|mirror\+https?):\/\/\S*\/debian(-security)?\/?$/i.test(uri);

/** The suites of a Debian release that a guest is made from; any other (backports, a vendor's) is not Debian's stable. */
const suitesOf = (suite: string) => [suite, `${suite}-updates`, `${suite}-security`];

/**
 * The host's own Debian mirrors when it is Debian 12 or newer, else deb.debian.org with its security archive. Signatures
 * are always checked against Debian's own keys, whichever mirror is asked.
 *
 * @param hostRoot `/`, or a folder that stands for it in a test.
 */
export async function findAptSources(hostRoot = "/"): Promise<AptSources> {
  const release = parseOsRelease(await readFile(join(hostRoot, "etc/os-release"), "utf8").catch(() => ""));
  const isDebian = release.get("ID") === "debian" && Number(release.get("VERSION_ID")) >= OLDEST_DEBIAN;
  const suite = (isDebian ? release.get("VERSION_CODENAME") : undefined) ?? DEFAULT_SUITE;
  const trusted = `[signed-by=${KEYRING}]`;
  const lines = new Set<string>();
  for (const source of isDebian ? await hostSources(hostRoot) : []) {
    if (!source.types.includes("deb") || !source.components.includes("main")) continue;
    if (source.signedBy !== "" && !source.signedBy.includes("debian-archive")) continue;
    for (const uri of source.uris.filter(isDebianArchive)) {
      for (const name of source.suites.filter((name) => suitesOf(suite).includes(name))) {
        lines.add(`deb ${trusted} ${uri} ${name} main`);
      }
    }
  }
  if (![...lines].some((line) => line.includes(` ${suite} `))) {
    lines.clear();
    for (const name of suitesOf(suite)) {
      const archive = name.endsWith("-security") ? "debian-security" : "debian";
      lines.add(`deb ${trusted} http://deb.debian.org/${archive} ${name} main`);
    }
  }
  return { suite, lines: [...lines] };
}

/** Whether Debian's keys are there; without them no package can be trusted. */
export async function hasDebianKeyring(): Promise<boolean> {
  return (await stat(KEYRING).catch(() => undefined))?.isFile() ?? false;
}
