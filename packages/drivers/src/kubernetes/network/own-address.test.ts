import { expect, it } from "vitest";
import { ownAddressTowards } from "./own-address.ts";

it("is the address by which packets to another leave", async () => {
  expect(await ownAddressTowards("127.0.0.9")).toBe("127.0.0.1");
  // Nobody is asked to send to all.
  await expect(ownAddressTowards("255.255.255.255")).rejects.toMatchObject({ code: "EACCES" });
});
