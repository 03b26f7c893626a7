import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let server: TestServer;
beforeAll(async () => {
  folder = await makeTempFolder();
  mkdirSync(join(folder.path, "assets"));
  writeFileSync(join(folder.path, "index.html"), "<!doctype html><title>page</title>");
  writeFileSync(join(folder.path, "environment.html"), "<!doctype html><title>page</title>");
  writeFileSync(join(folder.path, "assets/app-0a1b2c.js"), "export {}");
  writeFileSync(join(folder.path, "assets/app-0a1b2c.js.br"), brotliCompressSync("export {}"));
  writeFileSync(join(folder.path, "assets/app-0a1b2c.js.gz"), gzipSync("export {}"));
  writeFileSync(join(folder.path, "theme.js"), "theme()");
  writeFileSync(join(folder.path, ".secret"), "no");
  server = await startServer({ args: ["--web", folder.path] });
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
  await folder.remove();
});

const get = (path: string) => server.call("GET", path, { token: null });

describe("the page", () => {
  it.each([
    "/",
    "/sign-in",
    "/invitation",
    "/reset",
    "/account",
    "/admin/people",
    "/shared",
    "/shared/0123456789ab",
    "/e/0123456789ab",
  ])("is served at %s, fresh each time", async (path) => {
    const answer = await get(path);
    expect([answer.status, answer.text]).toEqual([200, "<!doctype html><title>page</title>"]);
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(answer.headers["content-type"]).toMatch(/^text\/html/);
    expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
  });

  it("has hashed files that are kept for ever, and others that are not", async () => {
    const asset = await get("/assets/app-0a1b2c.js");
    expect([asset.status, asset.headers["cache-control"]]).toEqual([200, "public, max-age=31536000, immutable"]);
    expect(asset.headers["content-type"]).toMatch(/javascript/);
    expect((await get("/theme.js")).headers["cache-control"]).toBe("no-store");
  });

  it.each([
    [undefined, undefined, (bytes: Buffer) => bytes],
    ["identity", undefined, (bytes: Buffer) => bytes],
    ["deflate", undefined, (bytes: Buffer) => bytes],
    ["gzip, deflate", "gzip", gunzipSync],
    ["gzip, deflate, br, zstd", "br", brotliDecompressSync],
    ["br;q=0, gzip", "gzip", gunzipSync],
    ["*", "gzip", gunzipSync],
  ])("is sent as it was compressed at the build to who accepts %s", async (accepted, encoding, decode) => {
    const headers = accepted === undefined ? {} : { "accept-encoding": accepted };
    const answer = await server.call("GET", "/assets/app-0a1b2c.js", { token: null, headers });
    expect([answer.status, answer.headers["content-encoding"]]).toEqual([200, encoding]);
    expect(String(decode(answer.bytes))).toBe("export {}");
    expect(answer.headers.vary).toBe("accept-encoding");
    expect(answer.headers["content-type"]).toMatch(/javascript/);
    expect(answer.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    // Of what was not compressed there is the file itself.
    const plain = await server.call("GET", "/theme.js", { token: null, headers });
    expect([plain.text, plain.headers["content-encoding"], plain.headers.vary]).toEqual([
      "theme()",
      undefined,
      "accept-encoding",
    ]);
  });

  it("is what a browser is shown at an address that is not there, and no other client", async () => {
    const asBrowser = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    const ask = (method: string, path: string, headers: Record<string, string>) =>
      server.call(method, path, { token: null, headers });
    for (const path of ["/nothing", "/e", "/e/0123456789ab/files", "/%7e", "/favicon.ico?x=1", "/v1x"]) {
      const page = await ask("GET", path, asBrowser);
      expect([path, page.status, page.text]).toEqual([path, 404, "<!doctype html><title>page</title>"]);
      expect(page.headers["cache-control"]).toBe("no-store");
      expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
      const problem = await ask("GET", path, { accept: "application/json" });
      expect([path, problem.status, problem.json?.code]).toEqual([path, 404, "NOT_FOUND"]);
    }
    for (const [method, path] of [
      ["GET", "/v1/nothing"],
      ["GET", "/v1"],
      ["GET", "/assets/none.js"],
      ["POST", "/nothing"],
      ["DELETE", "/"],
    ] as const) {
      const answer = await ask(method, path, asBrowser);
      expect([method, path, answer.status, answer.json?.code]).toEqual([method, path, 404, "NOT_FOUND"]);
    }
  });

  it("has nothing else below or beside it", async () => {
    for (const path of [
      "/.secret",
      "/assets/",
      "/assets/none.js",
      "/../server.ts",
      "/%2e%2e/%2e%2e/etc/passwd",
      "/e",
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
  });
});

describe("a page that was not built", () => {
  it("says so, and the API works", async () => {
    const bare = await startServer({ args: ["--web", join(folder.path, "none")] });
    try {
      const answer = await bare.call("GET", "/", { token: null });
      expect([answer.status, answer.text]).toEqual([503, expect.stringContaining("has not been built")]);
      expect((await bare.call("GET", "/v1/host")).status).toBe(200);
    } finally {
      await bare.dispose();
    }
  });
});
