import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let server: TestServer;
beforeAll(async () => {
  folder = await makeTempFolder();
  mkdirSync(join(folder.path, "assets"));
  writeFileSync(join(folder.path, "index.html"), "<!doctype html><title>page</title>");
  writeFileSync(join(folder.path, "assets/app-0a1b2c.js"), "export {}");
  writeFileSync(join(folder.path, "icon.svg"), "<svg/>");
  writeFileSync(join(folder.path, ".secret"), "no");
  server = await startServer({ args: ["--web", folder.path] });
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
  await folder.remove();
});

const get = (path: string) => server.call("GET", path, { token: null });

describe("the page", () => {
  it.each(["/", "/sign-in", "/e/0123456789ab"])("is served at %s, fresh each time", async (path) => {
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
    expect((await get("/icon.svg")).headers["cache-control"]).toBe("no-store");
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
