import type { AllowRule, NetworkDenial, NetworkPolicy, SharedNetwork } from "@microterm/protocol";
import type { Route, WebSocketRoute } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AXE, faults } from "../../support/axe.ts";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

let world: ProcessPage;
beforeAll(async () => {
  world = await startProcessPage();
});
afterAll(() => world?.close());

const denial = (over: Partial<NetworkDenial>): NetworkDenial => ({
  ...{ name: "example.org", address: null, protocol: "tcp", port: 443, count: 3, by: "policy" },
  ...over,
});

interface Network {
  policy: NetworkPolicy;
  readonly denials: NetworkDenial[];
  /** Connections. */
  tracked: number;
  /** Shared ones. */
  shared: SharedNetwork[];
  /** What the page has sent, in order. */
  readonly sent: unknown[];
}

/** What joining `name` makes of shared networks; null is none. */
const joined = (shared: readonly SharedNetwork[], one: SharedNetwork["members"][number], name: string | null) =>
  shared.map((network): SharedNetwork => {
    const members = network.members.filter(({ id }) => id !== one.id);
    return { ...network, members: network.name === name ? [...members, one] : members };
  });

const refuse = (route: Route, status: number, code: string, detail: string): Promise<void> =>
  route.fulfill({
    status,
    contentType: "application/problem+json",
    json: { type: "about:blank", title: detail, status, code, detail, hint: "", retryable: true },
  });

/** A server with networks, in the place of the answers of the `process` driver, which has none. The page is the real one. */
async function withNetwork({ page }: PageObject, network: Network): Promise<(data: object) => void> {
  let events: WebSocketRoute | null = null;
  let environment: object = {};
  const changed = (one: object): object => {
    environment = one;
    return { ...one, network: network.policy };
  };
  const set = (policy: NetworkPolicy): object => {
    network.policy = policy;
    const data = changed(environment);
    events?.send(JSON.stringify({ event: "environment", data }));
    return data;
  };
  await page.route("**/v1/host", async (route) => {
    const answer = await route.fetch();
    const networks = { networkModes: ["none", "open", "allowlist"], defaultNetwork: { mode: "open" } };
    await route.fulfill({ response: answer, json: { ...(await answer.json()), ...networks, networkReason: null } });
  });
  await page.route("**/v1/environments", async (route) => {
    if (route.request().method() === "POST") network.sent.push(route.request().postDataJSON());
    const answer = await route.fetch();
    const json = await answer.json();
    await route.fulfill({
      response: answer,
      json: "environments" in json ? { environments: json.environments.map(changed) } : changed(json),
    });
  });
  await page.routeWebSocket("**/v1/events", (socket) => {
    events = socket;
    socket.connectToServer().onMessage((message) => {
      const { event, data } = JSON.parse(String(message));
      socket.send(JSON.stringify({ event, data: event === "environment" ? changed(data) : data }));
    });
  });
  await page.route("**/v1/environments/*", async (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    const body = route.request().postDataJSON();
    network.sent.push(body);
    await route.fulfill({ json: set(body.network) });
  });
  await page.route("**/network/allow", async (route) => {
    const rule: AllowRule = route.request().postDataJSON();
    network.sent.push(rule);
    const { policy } = network;
    await route.fulfill({
      json: set({ mode: "allowlist", allow: [...(policy.mode === "allowlist" ? policy.allow : []), rule] }),
    });
  });
  await page.route("**/network/disallow", async (route) => {
    const rule: AllowRule = route.request().postDataJSON();
    network.sent.push(rule);
    const { policy } = network;
    const allow = policy.mode === "allowlist" ? policy.allow : [];
    const isSame = (one: AllowRule) => JSON.stringify(one) === JSON.stringify(rule);
    await route.fulfill({ json: set({ mode: "allowlist", allow: allow.filter((one) => !isSame(one)) }) });
  });
  await page.route("**/network/denials", (route) => route.fulfill({ json: { denials: network.denials } }));
  const traffic = { sent: { bytes: 2048, packets: 12 }, received: { bytes: 3_145_728, packets: 2300 } };
  let opened = 0;
  await page.route("**/network", (route) => {
    opened += 40;
    const limits = { open: 4096, newPerSecond: 200 };
    const connections = { tracked: network.tracked, opened, exceeded: network.tracked > limits.open ? 17 : 0, limits };
    return route.fulfill({ json: { policy: network.policy, traffic, connections } });
  });
  const change = async (route: Route, name: string | null): Promise<void> => {
    const { id, ...one } = await world.server.ok(
      "GET",
      new URL(route.request().url()).pathname.replace(/\/network.*/, ""),
    );
    network.shared = joined(network.shared, { id, name: one.name, address: "10.64.4.1" }, name);
    await route.fulfill({ json: changed({ id, ...one }) });
  };
  await page.route("**/network/join", async (route) => {
    const { network: name } = route.request().postDataJSON();
    network.sent.push(`join ${name}`);
    if (name === "lab") await refuse(route, 409, "ENVIRONMENT_STATE", "'demo' is creating: not before that has ended");
    else await change(route, name);
  });
  await page.route("**/network/leave", async (route) => {
    network.sent.push("leave");
    await change(route, null);
  });
  await page.route("**/v1/networks", async (route) => {
    if (route.request().method() === "GET") return route.fulfill({ json: { networks: network.shared } });
    const { name } = route.request().postDataJSON();
    network.sent.push(`create ${name}`);
    const id = `n${String(network.shared.length).padStart(11, "0")}` as SharedNetwork["id"];
    const made = { id, name, members: [], createdAt: "2026-11-29T10:00:00.000Z" };
    network.shared = [...network.shared, made];
    await route.fulfill({ status: 201, json: made });
  });
  await page.route("**/v1/networks/*", async (route) => {
    const removed = new URL(route.request().url()).pathname.split("/").at(-1);
    network.sent.push("remove");
    network.shared = network.shared.filter(({ id }) => id !== removed);
    await route.fulfill({ status: 204 });
  });
  return (data) => events?.send(JSON.stringify({ event: "environment", data: changed(data) }));
}

const IS_CUT = "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('[role=dialog]'))";
const IS_LOST = "document.activeElement === document.body";

describe.each(["light", "dark"] as const)("the network of an environment, in the %s page", (colorScheme) => {
  const network: Network = {
    policy: { mode: "allowlist", allow: [] },
    denials: [],
    tracked: 312,
    shared: [],
    sent: [],
  };
  let page: PageObject;
  let announce: (environment: object) => void;
  const panel = () => page.page.getByRole("dialog", { name: "Network" });
  const button = (name: string | RegExp) => panel().getByRole("button", { name, exact: true });
  const target = () => panel().getByLabel("Domain or address");
  const allowed = () => panel().getByRole("list", { name: "Allowed" }).getByRole("listitem");
  const open = (name: RegExp) => page.page.getByRole("button", { name }).press("Enter");

  test("is the host's where there is none, and nothing is offered", async () => {
    page = await signIn(world.browser, world.server, { colorScheme });
    await page.context.addInitScript(AXE);
    await page.page.emulateMedia({ reducedMotion: "reduce" });
    await page.createEnvironment();
    await open(/^Network: the host's/);
    await panel().getByText("reach what the host reaches").waitFor();
    expect(await panel().getByRole("radio").count()).toBe(0);
    expect(await panel().getByText("Shared network").count()).toBe(0);
  });

  test("teaches while it is empty, and refuses bad input before it is sent", async () => {
    announce = await withNetwork(page, network);
    await page.page.reload();
    await page.untilTerminal("live");
    await open(/^Network: allowlist \(0\)/);
    await panel().getByText("its allowlist is empty").waitFor();
    await panel().getByText("is listed here to be allowed").waitFor();
    await panel().getByText("3.0 MiB in 2,300 packets").waitFor();
    await target().fill("203.0.113.9/24");
    await target().press("Enter");
    await panel().getByRole("alert").getByText("enter 203.0.113.0/24.").waitFor();
    expect(await target().getAttribute("aria-invalid")).toBe("true");
    await target().fill("example.com");
    await panel().getByLabel("Ports").fill("70000");
    await panel().getByLabel("Ports").press("Enter");
    await panel().getByRole("alert").getByText("“70000” is no port").waitFor();
    expect(await faults(page.page)).toEqual([]);
    expect(network.sent).toEqual([]);
  });

  test("shows its connections beside what it may have, as they change", async () => {
    const meter = (name: string) => panel().getByRole("meter", { name });
    const open = meter("Open, or ended a moment ago");
    await panel().getByText("312 of 4,096", { exact: true }).waitFor();
    expect(await open.getAttribute("value")).toBe("312");
    await panel()
      .getByText(/^\d+(\.\d)? of 200 a second$/)
      .waitFor();
    expect(await panel().getByText("because a limit was reached").count()).toBe(0);
    network.tracked = 5000;
    await panel().getByText("17 packets were refused because a limit was reached.").waitFor();
    // Those that have ended count as well: the limit is of those that have not.
    expect([await open.getAttribute("value"), await open.getAttribute("aria-valuetext")]).toEqual([
      ...["4096", "5,000 of 4,096"],
    ]);
    expect(await faults(page.page)).toEqual([]);
    network.tracked = 312;
    await panel().getByText("312 of 4,096", { exact: true }).waitFor();
  });

  test("takes a rule, one of a denial for an hour, and none of what no policy allows", async () => {
    await panel().getByLabel("Ports").fill("443");
    await panel().getByLabel("Ports").press("Enter");
    await allowed().getByText("TCP 443").waitFor();
    expect(network.sent).toEqual([{ domain: "example.com", ports: [443] }]);
    expect(await target().inputValue()).toBe("");
    network.denials.push(denial({}), denial({ name: null, address: "169.254.169.254", port: 80, by: "bounds" }));
    await button("Allow example.org:443 for an hour").press("Enter");
    await panel().getByText("Allowed now").waitFor();
    expect(network.sent.at(-1)).toEqual({
      ...{ domain: "example.org", protocol: "tcp", ports: [443] },
      expiresAt: expect.any(String),
    });
    await allowed()
      .getByText(/ left$/)
      .waitFor();
    await panel().getByText("No policy allows it").waitFor();
    expect(await button(/^Allow /).count()).toBe(0);
    expect(await page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    expect(await faults(page.page)).toEqual([]);
  });

  test("is made and joined in one step by its name, which is looked at before it is sent", async () => {
    const sent = network.sent.length;
    const name = panel().getByLabel("New network");
    await panel().getByText("network create team && ").waitFor();
    await name.fill("Lab");
    await name.press("Enter");
    await panel().getByRole("alert").getByText("“Lab” is no name").waitFor();
    expect(await name.getAttribute("aria-invalid")).toBe("true");
    expect(network.sent).toHaveLength(sent);
    await name.fill("team");
    await name.press("Enter");
    await panel().getByText("It is in team.").waitFor();
    await panel().getByText("and the members of team").waitFor();
    expect(network.sent.slice(sent)).toEqual(["create team", "join team"]);
    expect(await page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    expect(await faults(page.page)).toEqual([]);
  });

  test("shows who joins while it is looked at, by both names, with a link", async () => {
    const { id, name } = await world.server.environment();
    const members = panel().getByRole("list", { name: "Members of team" }).getByRole("listitem");
    expect(await members.count()).toBe(1);
    network.shared = joined(network.shared, { id: id as never, name, address: null }, "team");
    announce(await world.server.ok("GET", `/v1/environments/${id}`));
    await members.getByText(`${name}.team.internal`).waitFor();
    await members.getByText("not running").waitFor();
    const here = page.page.url();
    await panel().getByRole("link", { name }).press("Enter");
    await page.page.waitForURL(`**/e/${id}*`);
    await panel().waitFor({ state: "detached" });
    await page.untilTerminal("live");
    await expect.poll(() => page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    await page.page.goBack();
    await page.page.waitForURL(here);
    await page.untilTerminal("live");
    await open(/^Network: allowlist/);
    await members.nth(1).waitFor();
    expect(await faults(page.page)).toEqual([]);
  });

  test("is left by keys once what ends is said, and another one is refused and removed", async () => {
    await button("Leave…").press("Enter");
    await panel().getByText("Then it reaches no member of team").waitFor();
    expect(network.sent.at(-1)).toBe("join team");
    await button("Leave team").press("Enter");
    await panel().getByText("It is in none.").waitFor();
    expect(network.sent.at(-1)).toBe("leave");
    expect(await page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    await panel().getByLabel("New network").fill("lab");
    await button("Create and join").press("Enter");
    await panel().getByRole("alert").getByText("not before that has ended").waitFor();
    expect(await faults(page.page)).toEqual([]);
    expect(await button("Remove network team").count()).toBe(0);
    await button("Remove network lab").press("Enter");
    await button("Remove network lab").waitFor({ state: "detached" });
    expect(network.sent.slice(-3)).toEqual(["create lab", "join lab", "remove"]);
    expect(await page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    await button("Join team").press("Enter");
    await panel().getByText("It is in team.").waitFor();
  });

  test("fits a phone", async () => {
    await page.page.setViewportSize({ width: 360, height: 640 });
    await panel().getByText("No policy allows it").waitFor();
    const box = await panel().boundingBox();
    expect(box && box.x >= 0 && box.x + box.width <= 360 && box.y >= 0 && box.y + box.height <= 640).toBe(true);
    expect(await page.page.evaluate<boolean>(IS_CUT)).toBe(false);
    await page.page.setViewportSize({ width: 1200, height: 720 });
  });

  test("loses a rule and changes its policy by keys, which keep the focus", async () => {
    // Another client has added one that the page does not know of yet.
    if (network.policy.mode === "allowlist") network.policy.allow.push({ domain: "elsewhere.example" });
    await button("Remove example.com, TCP 443").press("Enter");
    await allowed().getByText("elsewhere.example").waitFor();
    expect(await allowed().count()).toBe(2);
    expect(network.sent.at(-1)).toEqual({ domain: "example.com", ports: [443] });
    expect(await page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    await panel().getByRole("radio", { name: /^open/ }).press("Space");
    await panel().getByText("Its 2 rules are dropped.").waitFor();
    expect(network.policy.mode).toBe("allowlist");
    await button("Change to open").press("Enter");
    await panel().getByText("It reaches the internet and the members of team.").waitFor();
    expect(network.sent.at(-1)).toEqual({ network: { mode: "open" } });
    expect(await page.page.evaluate<boolean>(IS_LOST)).toBe(false);
    await page.page.keyboard.press("Escape");
    await panel().waitFor({ state: "detached" });
    await page.page.getByRole("button", { name: "Network: open" }).waitFor();
    // A page that leaves its socket learns too late that it is closed, where that leads through a route.
    expect(page.errors).toEqual([]);
  });

  test("is chosen for a new environment, where the default is shown and not sent", async () => {
    await page.page.getByRole("link", { name: "microterm: all environments" }).click();
    await page.page.getByRole("button", { name: "Options for a new environment" }).first().click();
    const choice = page.page.getByLabel("Reaches");
    await choice.waitFor();
    expect(await choice.getByRole("option").allTextContents()).toEqual([
      "open: the internet (default)",
      "none: nothing",
      "allowlist: what is listed later",
    ]);
    expect(await faults(page.page)).toEqual([]);
    await choice.selectOption("none");
    await page.page.getByRole("button", { name: "Create", exact: true }).click();
    await page.page.waitForURL(/\/e\//);
    expect(network.sent.at(-1)).toMatchObject({ network: { mode: "none" } });
    await page.page.getByRole("link", { name: "microterm: all environments" }).click();
    await page.createEnvironment();
    expect(network.sent.at(-1)).toEqual({});
    for (const { id } of (await world.server.ok("GET", "/v1/environments")).environments)
      await world.server.ok("DELETE", `/v1/environments/${id}`);
    await page.close();
  });
});
