/**
 * The pictures of docs/users.md: sign-in, one's account, and people. `node tests/e2e/people-screenshots.ts`; no virtual machine is
 * needed.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { signIn } from "../../support/page.ts";
import { joinWindow, openWindow } from "../../support/person-page.ts";
import { startProcessPage } from "../../support/process-page.ts";

const FOLDER = join(import.meta.dirname, "../../docs/images");
const WINDOW = { colorScheme: "light", viewport: { width: 900, height: 560 } } as const;

const world = await startProcessPage();
const keep = (page: Page, name: string): Promise<unknown> => page.screenshot({ path: join(FOLDER, `${name}.png`) });
try {
  mkdirSync(FOLDER, { recursive: true });
  const { server, browser } = world;
  const people = [
    ["ann", "member"],
    ["ben", "member"],
    ["carla", "visitor"],
  ] as const;
  const [ann] = await Promise.all(people.map(([name, role]) => joinWindow(browser, server, { ...WINDOW, name, role })));
  await server.ok("PATCH", "/v1/accounts/ben", { disabled: true });
  await server.ok("POST", "/v1/invitations", { uses: 5 });

  const { page: door } = await openWindow(browser, `${server.url}/sign-in`, WINDOW);
  await door.getByLabel("Name", { exact: true }).waitFor();
  await keep(door, "sign-in");

  if (ann === undefined) throw new Error("nobody has joined");
  await ann.page.goto(`${server.url}/account`);
  await ann.page.getByRole("list", { name: "Sessions" }).waitFor();
  await ann.page.getByText("You have no tokens.").waitFor();
  await keep(ann.page, "account");

  const { page: admin } = await signIn(browser, server, { colorScheme: WINDOW.colorScheme });
  await admin.setViewportSize(WINDOW.viewport);
  await admin.goto(`${server.url}/admin/people`);
  await admin.getByText("Member, for 5 people").waitFor();
  await keep(admin, "people");
  console.log(FOLDER);
} finally {
  await world.close();
}
