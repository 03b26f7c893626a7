import { createHash, X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { builtPage } from "../../support/built-page.ts";
import { makeKeyPair } from "../../support/key-pair.ts";
import { freePort } from "../../support/nginx.ts";
import { launchBrowser, signIn } from "../../support/page.ts";
import { listen } from "../../support/preview-client.ts";
import { exposed, startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const ADDRESS = "127.0.0.2";

let folder: TempFolder;
let web: Awaited<ReturnType<typeof builtPage>>;
let server: TestServer;
let browser: Browser;
let origin: string;
beforeAll(async () => {
  folder = await makeTempFolder();
  web = await builtPage();
  const pair = makeKeyPair(folder.path, { names: ["DNS:term.example.org", "DNS:*.previews.example.net"] });
  const port = await freePort(ADDRESS);
  origin = `https://term.example.org:${port}`;
  const tls = ["--listen", `${ADDRESS}:${port}`, "--tls-cert", pair.cert, "--tls-key", pair.key];
  const names = ["--public-url", origin, "--preview-domain", `previews.example.net:${port}`];
  server = await startServer({ args: ["--web", web.path, ...tls, ...names], command: exposed });
  const publicKey = new X509Certificate(pair.ca).publicKey.export({ type: "spki", format: "der" });
  browser = await launchBrowser([
    `--host-resolver-rules=MAP term.example.org ${ADDRESS}, MAP *.previews.example.net ${ADDRESS}`,
    `--ignore-certificate-errors-spki-list=${createHash("sha256").update(publicKey).digest("base64")}`,
  ]);
});
afterAll(async () => {
  await browser?.close();
  const left = await server?.dispose();
  await web?.remove();
  await folder?.remove();
  expect(left).toEqual([]);
});

it("at the public URL a person signs in, types, refreshes, and opens a port", async () => {
  const page = await signIn(browser, { url: origin, ok: server.ok });
  const id = await page.createEnvironment();
  await page.type("echo over-$((40 + 2))\n");
  await page.page.getByText("over-42").first().waitFor();
  await page.page.reload();
  await page.untilTerminal("live");
  expect(new URL(page.page.url()).origin).toBe(origin);
  const cookies = await page.context.cookies();
  expect(cookies.map(({ name, secure, httpOnly, sameSite }) => ({ name, secure, httpOnly, sameSite }))).toEqual([
    { name: `__Host-microterm_session_${new URL(origin).port}`, secure: true, httpOnly: true, sameSite: "Strict" },
  ]);

  await page.page.getByRole("button", { name: /^Ports/ }).click();
  const program = await listen(createServer((_request, response) => response.end("a program's page")));
  const opener = page.page.getByRole("button", { name: `Open port ${program} in a new tab` });
  const [preview] = await Promise.all([page.context.waitForEvent("page"), opener.click()]);
  await preview.getByText("a program's page").waitFor();
  expect(new URL(preview.url()).hostname).toBe(`${program}-${id}.previews.example.net`);
  expect(page.errors).toEqual([]);
});
