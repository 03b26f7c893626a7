import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findAptSources, parseDeb822, parseOneLine } from "./apt-sources.ts";

let host: string;

beforeEach(async () => {
  host = await mkdtemp(join(tmpdir(), "microterm-apt-"));
  await mkdir(join(host, "etc/apt/sources.list.d"), { recursive: true });
});

afterEach(() => rm(host, { recursive: true }));

const put = (path: string, text: string) => writeFile(join(host, "etc", path), text);
const BOOKWORM = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n';

describe("findAptSources", () => {
  test("takes a Debian host's own mirrors, and neither vendors' archives nor disabled ones", async () => {
    await put("os-release", BOOKWORM);
    await put(
      "apt/sources.list.d/debian.sources",
      "Types: deb deb-src\n# a comment\nURIs: https://mirror.example/debian\nSuites: bookworm\n bookworm-updates bookworm-backports\nComponents: main contrib\n\nEnabled: no\nTypes: deb\nURIs: http://old.example/debian\nSuites: bookworm\nComponents: main\n",
    );
    await put(
      "apt/sources.list.d/node.list",
      "deb [arch=amd64] https://deb.nodesource.example/node nodistro main\ndeb [signed-by=/v.gpg] http://vendor.example/debian bookworm main\n",
    );
    await put(
      "apt/sources.list",
      "# deb http://x/debian bookworm main\ndeb http://sec.example/debian-security bookworm-security main\n",
    );
    expect(await findAptSources(host)).toEqual({
      suite: "bookworm",
      lines: [
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://sec.example/debian-security bookworm-security main",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/debian bookworm main",
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/debian bookworm-updates main",
      ],
    });
  });

  test.each([
    ["Ubuntu", 'ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'],
    ["a Debian that is too old", "ID=debian\nVERSION_ID=11\nVERSION_CODENAME=bullseye\n"],
    ["an unknown host", ""],
  ])("on %s asks deb.debian.org for Debian 12 with its security archive", async (_, release) => {
    await put("os-release", release);
    await put("apt/sources.list", "deb http://archive.example/debian noble main\n");
    const { suite, lines } = await findAptSources(host);
    expect(suite).toBe("bookworm");
    expect(lines.map((line) => line.split(" ").slice(2).join(" "))).toEqual([
      "http://deb.debian.org/debian bookworm main",
      "http://deb.debian.org/debian bookworm-updates main",
      "http://deb.debian.org/debian-security bookworm-security main",
    ]);
  });

  test("follows a newer Debian's name", async () => {
    await put("os-release", "ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\n");
    expect((await findAptSources(host)).suite).toBe("trixie");
  });
});

test("a one-line entry may carry options, and a comment at its end", () => {
  expect(parseOneLine("deb [arch=amd64 signed-by=/k] http://a/debian bookworm main # why\n")).toEqual([
    { types: ["deb"], uris: ["http://a/debian"], suites: ["bookworm"], components: ["main"], signedBy: "/k" },
  ]);
});

test("an empty file has no stanza that could be used", () => {
  expect(parseDeb822("").every((source) => source.uris.length === 0)).toBe(true);
});
