import { HostStatus } from "@microterm/protocol";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { builtPage } from "../../support/built-page.ts";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { whilePaused } from "../../support/cluster/programs.ts";
import { launchBrowser, signIn } from "../../support/page.ts";
import { ServerDidNotStart, startServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let browser: Browser;
let web: Awaited<ReturnType<typeof builtPage>>;

beforeAll(async () => {
  folder = await makeTempFolder();
  web = await builtPage();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await web?.remove();
  await folder.remove();
});

const left = () => kubectl("get", "pods,secrets,networkpolicies", "--output", "name");

it("a server does not start where policies are not enforced, unless it is told to, and then says so", async () => {
  const data = folder.path;
  await whilePaused("kube-router", async () => {
    const refused = await startServer({ data }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ServerDidNotStart);
    const { exitCode, stderr } = refused as ServerDidNotStart;
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining("--insecure-no-network-policy")]);
    expect(stderr).toContain("does not enforce network policies: a pod sent what its NetworkPolicy does not let out");

    const args = ["--insecure-no-network-policy", "true", "--web", web.path];
    const server = await startServer({ data, args });
    onTestFinished(async () => {
      await server.kill("SIGKILL");
    });
    const host = HostStatus.parse(await server.ok("GET", "/v1/host"));
    expect(host).toMatchObject({ network: "kubernetes", isNetworkEnforced: false, isolation: "container" });
    const page = await signIn(browser, server);
    const said =
      "Network policies are not enforced here: environments reach each other, the cluster and all that it reaches.";
    await expect.poll(() => page.page.getByRole("contentinfo").textContent()).toContain(said);
    await page.close();
    await server.kill("SIGTERM");
  });
  // What was refused may have been repaired meanwhile.
  const server = await startServer({ data });
  expect(await server.ok("GET", "/v1/host")).toMatchObject({
    isNetworkEnforced: true,
    isolation: "container",
    acceleratorReason: "pods of the RuntimeClass 'kata' are containers: they run on their node's kernel",
  });
  expect(await server.dispose()).toEqual([]);
  await expect.poll(left).toBe("");
});
