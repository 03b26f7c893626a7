import { expect, it } from "vitest";
import { ServerAddresses } from "./server-addresses.ts";

it("are those of the routes to the API server and to pods", async () => {
  const addresses = new ServerAddresses("https://127.0.0.1:6443");
  expect(addresses.known).toEqual([]);
  await addresses.refresh();
  expect(addresses.known).toEqual(["127.0.0.1"]);
  // The same way, and no way at all.
  expect(await addresses.learn("127.9.9.9")).toBe(false);
  expect(await addresses.learn("255.255.255.255")).toBe(false);
  expect(addresses.known).toEqual(["127.0.0.1"]);
});

it("has what only the route to a pod shows", async () => {
  const addresses = new ServerAddresses("https://[::1]:6443");
  await addresses.refresh();
  expect(await addresses.learn("127.9.9.9")).toBe(true);
  expect(addresses.known).toEqual(["::1", "127.0.0.1"]);
});

it("has none where the server is a pod", async () => {
  const addresses = new ServerAddresses(null);
  await addresses.refresh();
  expect(await addresses.learn("127.9.9.9")).toBe(false);
  expect(addresses.known).toEqual([]);
});
