import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findServer } from "./server-address.ts";

let data: string;
let server: ChildProcess;
const write = (found: object) =>
  writeFileSync(
    join(data, "server/server.json"),
    JSON.stringify({ url: "http://127.0.0.1:7681", pid: server.pid, ...found }),
  );
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "mt-address-"));
  mkdirSync(join(data, "server"));
  server = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "serve", "--", data]);
  await once(server, "spawn");
  write({});
  writeFileSync(join(data, "server/token"), "secret\n");
});
afterEach(async () => {
  server.kill();
  await rm(data, { recursive: true, force: true });
});

describe("the server's address", () => {
  it("comes from the data folder", () => {
    expect(findServer({ data }, {})).toEqual({ url: "http://127.0.0.1:7681", token: "secret", publicUrl: null });
    expect(findServer({}, { MICROTERM_DATA: data })).toEqual({
      url: "http://127.0.0.1:7681",
      token: "secret",
      publicUrl: null,
    });
  });

  it("has a public URL beside it where the server is open to others", () => {
    const publicUrlOf = (exposure: unknown) => {
      write({ exposure });
      return findServer({ data }, {}).publicUrl;
    };
    expect(publicUrlOf({ publicUrl: "https://term.example.org" })).toBe("https://term.example.org");
    for (const wrong of [{ publicUrl: "http://a" }, { publicUrl: "https://a\u001b[2J" }, {}, [], "x", 1, null])
      expect(publicUrlOf(wrong)).toBeNull();
  });

  it("comes from the environment first, with its token and no other", () => {
    const env = { MICROTERM_URL: "https://there", MICROTERM_TOKEN: "t", MICROTERM_DATA: data };
    expect(findServer({ data }, env)).toEqual({ url: "https://there", token: "t", publicUrl: null });
    expect(() => findServer({ data }, { MICROTERM_URL: "https://there" })).toThrow("MICROTERM_TOKEN");
    expect(() => findServer({}, { MICROTERM_URL: "file:///x", MICROTERM_TOKEN: "t" })).toThrow("file:///x");
  });

  it.each([
    "http://there",
    "http://192.0.2.1:7681",
    "http://127.0.0.1.example.org",
    "http://there/",
    "http://localhost.evil",
  ])("is not sent a token in clear over the network: %s", (url) => {
    const env = { MICROTERM_URL: url, MICROTERM_TOKEN: "t" };
    expect(() => findServer({}, env)).toThrow(/in clear/);
    expect(findServer({}, { ...env, MICROTERM_INSECURE: "1" })).toEqual({ url, token: "t", publicUrl: null });
  });

  it.each(["http://127.0.0.1:1", "http://localhost:7681", "http://[::1]:7681", "https://there", "http://127.1.2.3"])(
    "may be this host's own, or encrypted: %s",
    (url) => {
      expect(findServer({}, { MICROTERM_URL: url, MICROTERM_TOKEN: "t" })).toEqual({
        url,
        token: "t",
        publicUrl: null,
      });
    },
  );

  it("is void once the server that wrote it has ended, whatever process has its port and its pid by now", async () => {
    for (const pid of [1, process.pid, -1, 0, 1.5, "1", null, 2 ** 40]) {
      write({ pid });
      expect(() => findServer({ data }, {}), String(pid)).toThrow("has ended");
    }
    write({});
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", "serve", "--", `${data}-of-another`]);
    await once(other, "spawn");
    write({ pid: other.pid });
    expect(() => findServer({ data }, {})).toThrow("has ended");
    other.kill();
    write({});
    server.kill();
    await once(server, "exit");
    expect(() => findServer({ data }, {})).toThrow("has ended");
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
      write({ url });
      expect(() => findServer({ data }, {})).toThrow("no address");
    }
    write({});
    const token = join(data, "server/token");
    writeFileSync(join(data, "secret"), "of root's");
    for (const make of [symlinkSync, linkSync]) {
      rmSync(token);
      make(join(data, "secret"), token);
      expect(() => findServer({ data }, {})).toThrow(/is a link|is not a file/);
    }
  });
});
