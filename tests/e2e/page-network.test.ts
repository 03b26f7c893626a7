import type { NetworkDenial, NetworkPolicy } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

let world: ProcessPage;
let page: PageObject;
beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server, { colorScheme: "dark" });
});
afterAll(() => world?.close());

const POLICY: NetworkPolicy = { mode: "allowlist", allow: [] };
const denial = (over: Partial<NetworkDenial>): NetworkDenial => ({
  ...{ name: "example.com", address: null, protocol: "tcp", port: 443, count: 1, by: "policy" },
  ...over,
});

/** What a server with networks says, in the place of the answers of the `process` driver, which has none. The page is the real one. */
async function withNetwork(denials: NetworkDenial[], allowed: unknown[]): Promise<void> {
  await page.page.route("**/v1/environments", async (route) => {
    const answer = await route.fetch();
    const { environments } = await answer.json();
    const json = { environments: environments.map((one: object) => ({ ...one, network: POLICY })) };
    await route.fulfill({ response: answer, json });
  });
  await page.page.routeWebSocket("**/v1/events", (socket) => {
    socket.connectToServer().onMessage((message) => {
      const { event, data } = JSON.parse(String(message));
      const changed = event === "environment" ? { ...data, network: POLICY } : data;
      socket.send(JSON.stringify({ event, data: changed }));
    });
  });
  await page.page.route("**/network/denials", (route) => route.fulfill({ json: { denials } }));
  // As the real server answers an environment without an interface.
  await page.page.route("**/network/allow", async (route) => {
    allowed.push(route.request().postDataJSON());
    await route.continue();
  });
}

describe("what the network refuses", () => {
  const denials: NetworkDenial[] = [];
  const allowed: unknown[] = [];
  const chip = () => page.page.getByRole("region", { name: "Blocked by the network" });
  const button = (name: string) => chip().getByRole("button", { name, exact: true });

  test("asks nothing where there is no network", async () => {
    const asked: string[] = [];
    page.page.on("request", (request) => asked.push(request.url()));
    await page.createEnvironment();
    await page.page.getByTitle("Round trip to the server").getByText(/\d ms/).waitFor();
    expect(asked.filter((url) => /denial/.test(url))).toEqual([]);
  });

  test("is shown beside the terminal and not in it, and allowed by a key, with exactly its rule", async () => {
    await withNetwork(denials, allowed);
    await page.page.reload();
    await page.untilTerminal("live");
    await page.page.waitForResponse(/network\/denials/);
    expect(await chip().count()).toBe(0);
    const before = await page.readScreen();
    denials.push(denial({ count: 3 }));
    await chip().getByText("Blocked: example.com:443 (allowlist)").waitFor();
    expect(await page.page.getByRole("status").getByText("Blocked: example.com:443 (allowlist)").count()).toBe(1);
    expect(await page.readScreen()).toEqual(before);
    await button("Allow").focus();
    // Under the focus another one does not come in its place.
    denials.push(denial({ name: "other.example" }));
    await page.page.waitForResponse(/network\/denials/);
    expect(await chip().getByText("example.com:443").count()).toBe(1);
    await expect
      .poll(async () => {
        if (allowed.length === 0) await page.page.keyboard.press("Enter");
        return allowed[0];
      })
      .toEqual({ domain: "example.com", protocol: "tcp", ports: [443] });
    // This environment has no interface, as the real server says.
    await chip().getByRole("alert").getByText("without a network interface").waitFor();
  });

  test("is dismissed until something else is refused, which no policy may allow", async () => {
    await button("Dismiss").click();
    await chip().getByText("Blocked: other.example:443 (allowlist)").waitFor();
    await button("Dismiss").press("Enter");
    await chip().waitFor({ state: "detached" });
    expect(await page.focused()).toBe("Terminal input");
    denials.push(denial({ name: null, address: "169.254.169.254", port: 80, by: "bounds" }));
    await chip().getByText("Blocked: 169.254.169.254:80 (no policy allows it)").waitFor();
    expect(await chip().getByRole("button").count()).toBe(1);
    expect(page.errors).toEqual([]);
    await page.close();
  });
});
