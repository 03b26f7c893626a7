import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DEADLINE = { timeout: 60_000 };
const SAFARI =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15";

/** A page that uses what pages use, and says what it got. */
const APP = `<!doctype html><title>App</title><p id="socket"></p><p id="events"></p><p id="worker"></p>
<script>
  document.cookie = "microterm_preview_" + location.port + "=shadow; path=/deep";
  document.cookie = "wide=1; domain=localhost";
  const socket = new WebSocket(location.href.replace("http", "ws"));
  socket.onmessage = ({ data }) => { document.querySelector("#socket").textContent = data; };
  const events = new EventSource("/events");
  events.onmessage = ({ data }) => { document.querySelector("#events").textContent = data; };
  navigator.serviceWorker.register("/worker.js").catch(() => {
    document.querySelector("#worker").textContent = "refused";
  });
</script>`;

let world: ProcessPage;
let program: Server;
let port: number;
const cookies: string[] = [];
beforeAll(async () => {
  world = await startProcessPage();
  program = createServer(({ url, headers }, response) => {
    cookies.push(headers.cookie ?? "");
    if (url === "/events") {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: an event\n\n");
    } else response.writeHead(200, { "content-type": "text/html" }).end(APP);
  });
  new WebSocketServer({ server: program }).on("connection", (socket) => socket.send("a message"));
});
afterAll(async () => {
  program?.closeAllConnections();
  program?.close();
  await world?.close();
});

const faults = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`axe.run().then(({ violations }) => violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary }) => id + " (" + impact + "): " + target.join(" ") + " " + failureSummary)))`);
const ports = ({ page }: PageObject) => page.getByRole("button", { name: /^Ports/ });
const opener = ({ page }: PageObject) => page.getByRole("button", { name: `Open port ${port} in a new tab` });

/** The tab that a click opens. */
async function opened(page: PageObject): Promise<Page> {
  const [tab] = await Promise.all([page.context.waitForEvent("page"), opener(page).click()]);
  await tab.waitForURL((url) => url.hostname.endsWith(".localhost") && url.pathname === "/");
  return tab;
}

describe("a port", () => {
  let page: PageObject;
  let id: string;

  test("appears when a program listens, and opens in a tab of its own with all that pages use", async () => {
    page = await signIn(world.browser, world.server, { colorScheme: "dark" });
    id = await page.createEnvironment();
    await ports(page).click();
    await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
    ({ port } = program.address() as { port: number });
    await page.page.getByRole("status").getByText(`Port ${port} is listening`).waitFor({ state: "attached" });
    const tab = await opened(page);
    await tab.getByText("a message").waitFor();
    await tab.getByText("an event").waitFor();
    expect(new URL(tab.url()).host).toBe(`${port}-${id}.localhost:${world.server.port}`);
    expect(await tab.evaluate("window.opener")).toBeNull();
    expect(cookies.join()).not.toContain("microterm");
    await tab.getByText("refused").waitFor();
  });

  test("stays an origin of its own: its cookies reach neither the page nor another port", async () => {
    await page.page.reload();
    await page.untilTerminal("live");
    const sent = await page.context.cookies(world.server.url);
    expect(sent.map(({ name }) => name)).toEqual([`microterm_session_${world.server.port}`]);
    const other = `http://${port}-aaaaaaaaaaaa.localhost:${world.server.port}/`;
    expect(await page.context.cookies(other)).toEqual([]);
    const stranger = await page.context.newPage();
    expect((await stranger.goto(other))?.status()).toBe(401);
    await stranger.getByRole("link", { name: "Go to the environment" }).waitFor();
    await stranger.close();
  });

  test("is closed to who is not signed in, and leads back to the page", async () => {
    const context = await world.browser.newContext();
    const visitor = await context.newPage();
    expect((await visitor.goto(`http://${port}-${id}.localhost:${world.server.port}/`))?.status()).toBe(401);
    await visitor.getByRole("link", { name: "Go to the environment" }).click();
    await visitor.getByText("./microterm open").waitFor();
    expect(new URL(visitor.url()).host).toBe(`127.0.0.1:${world.server.port}`);
    await context.close();
  });

  test("is shared by a link that others open, until it is ended", async () => {
    await ports(page).click();
    await page.page.getByRole("button", { name: `Share port ${port}` }).click();
    await page.page.getByLabel("Ends after").selectOption({ label: "1 hour" });
    await page.page.getByRole("button", { name: "Make a link" }).click();
    const url = await page.page.getByLabel("The link", { exact: true }).inputValue();
    const context = await world.browser.newContext();
    const visitor = await context.newPage();
    await visitor.goto(url);
    await visitor.getByText("a message").waitFor();
    await page.page.getByRole("button", { name: `End it: the link to port ${port}` }).click();
    await expect.poll(() => page.page.getByRole("button", { name: /^End it/ }).count(), DEADLINE).toBe(0);
    expect((await visitor.goto(new URL(url).origin))?.status()).toBe(401);
    await context.close();
    await page.page.keyboard.press("Escape");
    expect(page.errors).toEqual([]);
    await page.close();
  });
});

test("a browser that finds no names below localhost is offered the command instead", async () => {
  const page = await signIn(world.browser, world.server);
  await page.context.addInitScript(
    `Object.defineProperty(navigator, "userAgent", { value: ${JSON.stringify(SAFARI)} })`,
  );
  const [environment] = (await world.server.ok("GET", "/v1/environments")).environments;
  await page.open(environment.id);
  await page.untilTerminal("live");
  await ports(page).click();
  await page.page.getByText(`./microterm port-forward ${environment.name}`).waitFor();
  expect(await opener(page).count()).toBe(0);
  await page.close();
});

test.each(["light", "dark"] as const)(
  "axe finds nothing in the %s list and dialog, which keys alone open and leave",
  async (colorScheme) => {
    const page = await signIn(world.browser, world.server, { colorScheme });
    await page.context.addInitScript(AXE);
    await page.page.emulateMedia({ reducedMotion: "reduce" });
    const [{ id }] = (await world.server.ok("GET", "/v1/environments")).environments;
    await page.open(id);
    await page.untilTerminal("live");
    await expect.poll(() => ports(page).textContent(), DEADLINE).toMatch(/\d/);
    await ports(page).focus();
    await page.page.keyboard.press("Enter");
    await opener(page).waitFor();
    expect(await faults(page.page)).toEqual([]);
    await page.page.getByRole("button", { name: `Share port ${port}` }).focus();
    await page.page.keyboard.press("Enter");
    await page.page.getByRole("button", { name: "Make a link" }).focus();
    await page.page.keyboard.press("Enter");
    await page.page.getByLabel("The link", { exact: true }).waitFor();
    expect(await faults(page.page)).toEqual([]);
    await page.page.keyboard.press("Escape");
    await page.page.getByRole("dialog").waitFor({ state: "detached" });
    await expect.poll(() => page.page.evaluate("document.activeElement?.textContent"), DEADLINE).toMatch(/^Ports/);
    await page.close();
  },
);
