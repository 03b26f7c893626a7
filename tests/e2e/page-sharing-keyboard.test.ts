import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { faults } from "../../support/axe.ts";
import type { PageObject } from "../../support/page.ts";
import { button } from "../../support/people-suite.ts";
import {
  acceptAs,
  nothingShared,
  sharedNow,
  sharingSuite,
  statusOf,
  withoutAccount,
} from "../../support/sharing-suite.ts";

const suite = sharingSuite();
const { endAll, guest, member, openDialog, closeDialog, shareByLink } = suite;

const people = () => button(suite.owner.page, /^Who is here/);
const list = () => suite.owner.page.getByRole("list", { name: "Who is here" });

/** Asks, and is given the keyboard. */
async function giveTo(person: PageObject): Promise<void> {
  await button(person.page, "Ask for the keyboard").click();
  await button(suite.owner.page, "Let them type").click();
  await statusOf(person, "You may type").waitFor();
}
/** Types a line that everybody sees, the owner included. */
async function types(person: PageObject, word: string): Promise<void> {
  await person.type(`clear; echo by ${word.slice(0, 1)}''${word.slice(1)}\n`);
  await suite.owner.untilScreen(new RegExp(`^by ${word}$`));
}
/** Input of a person who may no longer type is on no screen once the owner's own line has come. */
async function typesInVain(person: PageObject): Promise<void> {
  await person.type("echo in va''in\n");
  await types(suite.owner, "owner");
  expect((await suite.owner.readScreen()).filter((row) => row.includes("in va"))).toEqual([]);
}

describe("the keyboard", () => {
  test("is given back by who has it, and had again by asking", async () => {
    const ann = await member("ann", await shareByLink());
    await giveTo(ann);
    await types(ann, "ann");
    await button(ann.page, "Give the keyboard back").click();
    await statusOf(ann, "You look on").waitFor();
    expect(await faults(ann.page)).toEqual([]);
    await people().getByText("looks on").waitFor();
    await typesInVain(ann);
    // The owner has let her type: until that is taken back, it is had by asking.
    await button(ann.page, "Ask for the keyboard").click();
    await statusOf(ann, "You may type").waitFor();
    await types(ann, "ann");
    await endAll();
  });

  test("is handed over: who had it looks on, and who has it types", async () => {
    const link = await shareByLink();
    const ben = await member("ben", link);
    const eve = await member("eve", link);
    await giveTo(ben);
    await people().click();
    await list().getByRole("button", { name: "Hand over: the keyboard to eve" }).click();
    await statusOf(eve, "You may type").waitFor();
    await statusOf(ben, "You look on").waitFor();
    await list().getByRole("button", { name: "Take back: the keyboard of eve" }).waitFor();
    expect(await faults(suite.owner.page)).toEqual([]);
    await suite.owner.page.keyboard.press("Escape");
    await types(eve, "eve");
    await typesInVain(ben);

    await people().click();
    await list().getByRole("button", { name: "Take back: the keyboard of eve" }).click();
    await statusOf(eve, "You look on").waitFor();
    await suite.owner.page.keyboard.press("Escape");
    await typesInVain(eve);
    await endAll();
  });

  test("stays with who has it where the one it would be handed to may not have it", async () => {
    const link = await shareByLink(withoutAccount);
    const gus = await member("gus", link);
    const zoe = await guest(link);
    await acceptAs(zoe, "Zoë");
    await zoe.untilTerminal("live");
    await giveTo(gus);
    await people().click();
    await button(suite.owner.page, /^Hand over: the keyboard to “Zoë”/).click();
    await suite.owner.page.getByText("lets nobody type without an account").waitFor();
    await statusOf(gus, "You may type").waitFor();
    await suite.owner.page.keyboard.press("Escape");
    await types(gus, "gus");
    await endAll();
  });
});

describe("a share that ends while somebody types", () => {
  const isOver = (person: PageObject) =>
    person.page.getByRole("heading", { name: "This terminal is not shared with you any more" }).waitFor();

  test("by being revoked closes their terminal at once, and is nothing to come back to", async () => {
    const link = await shareByLink((page) => page.getByLabel("Who may").selectOption("editor"));
    const fay = await member("fay", link);
    await types(fay, "fay");
    const typing = fay.type("x".repeat(200)).catch(() => undefined);
    await endAll();
    await isOver(fay);
    await typing;
    await fay.page.goto(link);
    await fay.page.reload();
    await fay.page.getByText("This link has ended, is used up, or never was one.").waitFor();
    await suite.owner.type("\u0003");
    await types(suite.owner, "owner");
  });

  test("by its time closes their terminal, and is in no list any more", async () => {
    const link = await shareByLink((page) => page.getByLabel("Who may").selectOption("editor"));
    const gil = await member("gil", link);
    // Long enough for the page to be loaded again, and to be typed into.
    endIn(15_000);
    await gil.page.reload();
    await gil.untilTerminal("live");
    await types(gil, "gil");
    await isOver(gil);
    expect(await faults(gil.page)).toEqual([]);
    await gil.page.getByRole("link", { name: "All environments" }).click();
    await gil.page.getByRole("heading", { name: "No environments yet" }).waitFor();
    expect(await gil.page.getByRole("heading", { name: "Shared with me" }).count()).toBe(0);
    const page = await openDialog();
    await nothingShared(page).waitFor();
    expect(await sharedNow(page).count()).toBe(0);
    await closeDialog();
  });
});

/** All shares: a real one lasts a minute at least. */
function endIn(ms: number): void {
  const database = new DatabaseSync(join(suite.world.server.data, "server/microterm.db"));
  try {
    database.prepare("update shares set expires_at = ?").run(new Date(Date.now() + ms).toISOString());
  } finally {
    database.close();
  }
}
