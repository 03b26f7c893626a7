import { afterAll, beforeAll, expect, it } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

/** Numbered lines, as many as `last`, and the end. */
const flood = (last: number) => `PS1='$ '; for i in $(seq ${last}); do echo line $i; sleep .01; done; echo all''done\n`;
const numbersOf = (rows: readonly string[]): readonly number[] =>
  rows.flatMap((row) => /^line (\d+)$/.exec(row)?.[1] ?? []).map(Number);

let world: ProcessPage;

beforeAll(async () => {
  world = await startProcessPage();
});

afterAll(() => world?.close());

it("goes from a click to a shell in a pod and back to nothing, and says that a pod here is a container", async () => {
  const page = await signIn(world.browser, world.server);
  const id = await page.createEnvironment();
  await page.type("echo $((40 + 2)) answers\n");
  await page.untilScreen(/^42 answers$/);
  expect(await page.page.getByRole("contentinfo").textContent()).toContain("A container: it shares the node's kernel.");
  expect(await page.removeEnvironment()).toContain("Nothing is left.");
  expect((await world.server.call("GET", `/v1/environments/${id}`)).status).toBe(404);
  expect(await kubectl("get", "pods,secrets,networkpolicies", "--output", "name")).toBe("");
  expect(page.errors).toEqual([]);
  await page.close();
});

it("continues at the next byte over a refresh in the middle of output, and for who comes later", async () => {
  const page = await signIn(world.browser, world.server);
  const id = await page.createEnvironment();
  await page.type(flood(400));
  await page.untilScreen(/line \d+/);
  await page.page.reload();
  const late = await signIn(world.browser, world.server);
  await late.open(id);
  for (const one of [page, late]) {
    const numbers = numbersOf(await one.untilScreen("alldone"));
    expect(numbers.length).toBeGreaterThan(10);
    expect(numbers).toEqual(numbers.map((_, at) => 400 - numbers.length + 1 + at));
  }
  await late.close();
  await page.removeEnvironment();
  await page.close();
});

it("goes on at the exact byte in another server, when one is killed in the middle of output", async () => {
  const page = await signIn(world.browser, world.server);
  const id = await page.createEnvironment();
  await page.type(flood(600));
  await page.untilScreen(/line \d+/);
  await world.restartServer(async () => {});
  const numbers = numbersOf(await page.untilScreen("alldone"));
  expect(numbers).toEqual(numbers.map((_, at) => 600 - numbers.length + 1 + at));
  expect((await world.server.ok("GET", `/v1/environments/${id}`)).state).toBe("running");
  await page.removeEnvironment();
  await page.close();
});

it("says why an environment has ended whose pod was deleted by hand", async () => {
  const { id } = await world.server.environment("by-hand");
  const pod = await kubectl("get", "pods", "--selector", `microterm.dev/environment=${id}`, "--output", "name");
  await kubectl("delete", "--wait=false", pod.trim());
  const environment = () => world.server.ok("GET", `/v1/environments/${id}`);
  await expect.poll(async () => (await environment()).state).toBe("failed");
  expect((await environment()).reason).toContain("pod was deleted");
  await world.server.ok("DELETE", `/v1/environments/${id}`);
});
