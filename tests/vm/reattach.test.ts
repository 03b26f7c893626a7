import { type AttachmentState, createClient } from "@microterm/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { fetchWith, openVia } from "../../support/sdk-socket.ts";
import { poll } from "../../support/server.ts";

/** As fast as bash counts, with pauses in which the server is away. */
const COUNT = 20_000;
const COUNTER = `for ((i = 1; i <= ${COUNT}; i++)); do echo "number $i"; done; printf 'all %s\\n' counted`;
const RESTARTS = 3;

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

describe("a client of the SDK, while its server is killed again and again", () => {
  it("gets every byte of a terminal exactly once", async () => {
    const id = await world.create();
    const { server } = world;
    const openSocket = openVia(
      () => undefined,
      () => world.server.token,
    );
    const client = createClient({
      url: server.url,
      token: server.token,
      fetch: fetchWith(() => world.server.token),
      openSocket,
    });
    const [terminal] = await client.terminals.list(id);
    const chunks: Uint8Array[] = [];
    const states: AttachmentState[] = [];
    const trouble: string[] = [];
    let next = 0n;
    const attachment = client.attachTerminal({
      environment: id,
      terminal: terminal?.id ?? "",
      from: 0n,
      onOutput(bytes, offset) {
        if (offset !== next) trouble.push(`output at ${offset} where ${next} was due`);
        next = offset + BigInt(bytes.length);
        chunks.push(bytes.slice());
        attachment.acknowledge(next);
      },
      onGap: (from, to) => trouble.push(`a gap from ${from} to ${to}`),
      onReset: () => trouble.push("a reset"),
      onKeyframe: () => trouble.push("a keyframe"),
      onState: (state) => states.push(state),
    });
    const text = () => Buffer.concat(chunks).toString("latin1");
    await poll("the prompt", () => text().includes("$ "));
    attachment.write(Buffer.from(`${COUNTER}\n`));
    await poll("the first numbers", () => text().includes("number 10\r\n"));

    for (let restart = 0; restart < RESTARTS; restart += 1) {
      await world.restartServer();
      await poll("the client to be back", () => attachment.state.kind === "connected");
      const before = chunks.length;
      // More came through this server, or there was no more to come.
      await poll("more output", () => chunks.length > before || text().includes("all counted\r\n"));
    }
    await poll("the end of the count", () => text().includes("all counted\r\n"), 120_000);

    const numbers = [...text().matchAll(/number (\d+)\r\n/g)].map(([, digits]) => Number(digits));
    expect(numbers).toEqual(Array.from({ length: COUNT }, (_, index) => index + 1));
    expect(trouble).toEqual([]);
    expect(states.filter(({ kind }) => kind === "connected").length).toBeGreaterThan(RESTARTS);
    expect((await world.server.ok("GET", `/v1/environments/${id}`)).state).toBe("running");
    attachment.close();
  });
});
