import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { SharedNetwork } from "@microterm/protocol";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { run } from "../program.ts";

const TEAM = {
  ...{ id: "n00000000001", name: "team", createdAt: "2026-11-29T10:00:00.000Z" },
  members: [
    { id: "e00000000001", name: "db", address: "10.64.4.1" },
    { id: "e00000000002", name: "web", address: null },
  ],
} as unknown as SharedNetwork;
const EMPTY = { ...TEAM, id: "n00000000002", name: "empty", members: [] };

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** What is printed by a call, and what a server is asked that has two networks. */
async function printed(...args: string[]) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join("");
    asked.push(`${request.method} ${request.url}${body === "" ? "" : ` ${body}`}`);
    const answers: Record<string, [number, unknown]> = {
      GET: [200, { networks: [TEAM, EMPTY] }],
      POST: [201, EMPTY],
      DELETE: [204, null],
    };
    const [status, answer] = answers[request.method ?? ""] ?? [405, null];
    response.writeHead(status, { "content-type": "application/json" });
    response.end(answer === null ? undefined : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  vi.stubEnv("MICROTERM_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("MICROTERM_TOKEN", "t".repeat(50));
  const lines: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  await run(["network", ...args]);
  expect(process.exitCode).toBeUndefined();
  return { asked, text: lines.join("\n") };
}

it("lists networks with their members", async () => {
  const { asked, text } = await printed("ls");
  expect(asked).toEqual(["GET /v1/networks"]);
  expect(text.split("\n").map((line) => line.trim().split(/\s+/))).toEqual([
    ["NETWORK", "MEMBER", "ADDRESS"],
    ["team", "db", "10.64.4.1"],
    ["team", "web", "-"],
    ["empty", "-", "-"],
  ]);
  expect(JSON.parse((await printed("ls", "-o", "json")).text)).toEqual([TEAM, EMPTY]);
});

it("makes and removes them", async () => {
  expect(await printed("create", "empty")).toEqual({ asked: ['POST /v1/networks {"name":"empty"}'], text: "empty" });
  expect(await printed("rm", "team", "empty")).toEqual({
    asked: ["DELETE /v1/networks/team", "DELETE /v1/networks/empty"],
    text: "team\nempty",
  });
});
