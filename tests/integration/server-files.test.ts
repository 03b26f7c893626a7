import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { FileEntry } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
let base: string;
beforeAll(async () => {
  server = await startServer();
  base = `/v1/environments/${(await server.environment("files")).id}/files`;
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const upload = (path: string, raw: Buffer | string, query = "") =>
  server.call("PUT", `${base}/content?path=${encodeURIComponent(path)}${query}`, { raw });
const download = (path: string) => server.call("GET", `${base}/content?path=${encodeURIComponent(path)}`);

describe("files over HTTP", () => {
  it("go in and come out as they are, whatever their name", async () => {
    const bytes = randomBytes(5_000_000);
    for (const name of ["plain.bin", "mit Leer & ümläut?.bin", "new\nline"]) {
      const put = await upload(name, bytes, "&mode=0640");
      expect([put.status, FileEntry.parse(put.json)]).toMatchObject([
        201,
        { type: "file", size: bytes.length, mode: 0o640 },
      ]);
      const got = await download(name);
      expect([got.status, got.bytes.equals(bytes)]).toEqual([200, true]);
      expect(got.headers["content-length"]).toBe(String(bytes.length));
    }
  });

  it("are never pages of ours", async () => {
    await upload("evil.html", "<script>alert(1)</script>");
    const { headers } = await download("evil.html");
    expect(headers["content-disposition"]).toBe("attachment");
    expect(headers["content-type"]).toBe("application/octet-stream");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["content-security-policy"]).toMatch(/^sandbox/);
  });

  it("are listed, examined and removed", async () => {
    expect((await server.call("POST", `${base}/directory?path=a/b/c`)).status).toBe(201);
    await upload("a/b/c/file", "x");
    expect(await server.ok("GET", `${base}/list?path=a/b`)).toMatchObject({
      entries: [{ type: "directory" }],
      truncated: false,
    });
    expect(await server.ok("GET", `${base}/stat?path=a/b/c/file`)).toMatchObject({ type: "file", size: 1 });
    expect((await server.call("DELETE", `${base}?path=a`)).status).toBeGreaterThanOrEqual(400);
    expect((await server.call("DELETE", `${base}?path=a&recursive=1`)).status).toBe(204);
    const gone = await server.call("GET", `${base}/stat?path=a`);
    expect([gone.status, gone.json.code]).toEqual([404, "FILE_NOT_FOUND"]);
  });

  it("that are folders are not read as files", async () => {
    const answer = await download(".");
    expect([answer.status, answer.json.code]).toEqual([409, "FILE_NOT_REGULAR"]);
  });

  it("travel as tar archives", async () => {
    await server.call("POST", `${base}/directory?path=from/sub`);
    await server.call("POST", `${base}/directory?path=to`);
    await upload("from/sub/one", "1");
    const tar = await server.call("GET", `${base}/tar?path=from`);
    expect([tar.status, tar.headers["content-type"]]).toEqual([200, "application/x-tar"]);
    const put = await server.call("PUT", `${base}/tar?path=to`, {
      raw: tar.bytes,
      headers: { "content-type": "application/x-tar" },
    });
    expect(put.status).toBe(200);
    expect((await download("to/from/sub/one")).text).toBe("1");
  });

  it("that break off in the middle of an upload change nothing", async () => {
    await upload("kept", "old");
    await new Promise<void>((resolve) => {
      const broken = request(`${server.url}${base}/content?path=kept`, {
        method: "PUT",
        agent: false,
        headers: { authorization: `Bearer ${server.token}`, "content-length": 10_000_000 },
      });
      broken.once("error", () => resolve());
      broken.write(randomBytes(100_000), () => setTimeout(() => broken.destroy(), 50));
    });
    await poll("a folder without the half of a file", async () => {
      const { entries } = await server.ok("GET", `${base}/list?path=.`);
      return entries.every(({ path, size }: FileEntry) => !path.includes("kept") || size === 3);
    });
    expect((await download("kept")).text).toBe("old");
  });

  it("are read no faster than the client takes them", async () => {
    await server.call("POST", `${base.replace("/files", "/exec")}`, {
      body: { command: ["sh", "-c", "head -c 100000000 /dev/zero > big"] },
    });
    const before = memoryKib();
    await new Promise<void>((resolve, reject) => {
      const slow = request(`${server.url}${base}/content?path=big`, {
        agent: false,
        headers: { authorization: `Bearer ${server.token}` },
      });
      slow.once("error", reject);
      slow.once("response", (response) => {
        // Nothing is read from it: what the server holds of 100 MB is what it has buffered.
        setTimeout(() => {
          response.destroy();
          resolve();
        }, 1000);
      });
      slow.end();
    });
    expect(memoryKib() - before).toBeLessThan(16 * 1024);
  });
});

describe("logs", () => {
  it("say that the process driver has no console", async () => {
    const logs = await server.call("GET", `${base.replace("/files", "/logs")}`);
    expect(logs.headers["content-type"]).toMatch(/^text\/plain/);
    expect(logs.text).toContain("no serial console");
  });
});

describe("metrics", () => {
  it("are the guest's", async () => {
    const { guest } = await server.ok("GET", `${base.replace("/files", "/metrics")}`);
    expect(guest.memory.totalKib).toBeGreaterThan(0);
    expect(guest.processes).toBeGreaterThan(0);
  });
});

function memoryKib(): number {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]);
}
