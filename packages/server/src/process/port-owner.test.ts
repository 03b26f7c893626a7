import { createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { explainPortInUse, nextFreePort, portOwner } from "./port-owner.ts";

async function listen(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

it("names the process that listens on a port", async () => {
  const port = await listen();
  expect(portOwner(port)).toMatch(new RegExp(`^\\S.* \\(pid ${process.pid}\\)$`));
  expect(await explainPortInUse(port)).toContain(`Port ${port} is used by `);
});

it("finds no owner of a port that is free", async () => {
  const free = await nextFreePort(await listen());
  expect(free).not.toBeNull();
  expect(portOwner(free ?? 0)).toBeNull();
});

it("looks past ports that are taken", async () => {
  const port = await listen();
  expect(await nextFreePort(port)).toBeGreaterThan(port);
});
