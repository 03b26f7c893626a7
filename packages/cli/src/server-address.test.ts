import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findServer } from "./server-address.ts";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mt-address-"));
  mkdirSync(join(data, "server"));
  writeFileSync(join(data, "server/server.json"), JSON.stringify({ url: "http://127.0.0.1:7681", pid: 1 }));
  writeFileSync(join(data, "server/token"), "secret\n");
});
afterEach(async () => {
  await rm(data, { recursive: true, force: true });
});

describe("the server's address", () => {
  it("comes from the data folder", () => {
    expect(findServer({ data }, {})).toEqual({ url: "http://127.0.0.1:7681", token: "secret" });
    expect(findServer({}, { MICROTERM_DATA: data })).toEqual({ url: "http://127.0.0.1:7681", token: "secret" });
  });

  it("comes from the environment first, with its token and no other", () => {
    const env = { MICROTERM_URL: "http://there", MICROTERM_TOKEN: "t", MICROTERM_DATA: data };
    expect(findServer({ data }, env)).toEqual({ url: "http://there", token: "t" });
    expect(() => findServer({ data }, { MICROTERM_URL: "http://there" })).toThrow("MICROTERM_TOKEN");
    expect(() => findServer({}, { MICROTERM_URL: "file:///x", MICROTERM_TOKEN: "t" })).toThrow("file:///x");
  });

  it("is missed with the way to get one", () => {
    const missing = join(data, "none");
    expect(() => findServer({ data: missing }, {})).toThrow(
      expect.objectContaining({ hint: `./microterm up --data ${missing}` }),
    );
    writeFileSync(join(data, "server/server.json"), "{");
    expect(() => findServer({ data }, {})).toThrow("no address");
  });

  it("is believed no more than its writer, who may be another user", () => {
    for (const url of ["http://192.0.2.1:7681", "http://127.0.0.1:1@example.org", "http://127.0.0.1:7681/\u001b[2J"]) {
      writeFileSync(join(data, "server/server.json"), JSON.stringify({ url, pid: 1 }));
      expect(() => findServer({ data }, {})).toThrow("no address");
    }
    writeFileSync(join(data, "server/server.json"), JSON.stringify({ url: "http://127.0.0.1:7681", pid: 1 }));
    const token = join(data, "server/token");
    writeFileSync(join(data, "secret"), "of root's");
    for (const make of [symlinkSync, linkSync]) {
      rmSync(token);
      make(join(data, "secret"), token);
      expect(() => findServer({ data }, {})).toThrow(/is a link|is not a file/);
    }
  });
});
