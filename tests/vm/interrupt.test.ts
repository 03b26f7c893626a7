import { afterAll, beforeAll, expect, it } from "vitest";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const COUNT = process.env.MICROTERM_SOAK === "1" ? 5000 : 30;
/** Ctrl-C is only typed once this much has come: an earlier one would arrive before the program runs. */
const FLOWING_BYTES = 100_000;

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

it(
  "loses no Ctrl-C typed into a flood: each ends the flood, and the prompt comes",
  async () => {
    const { server } = world;
    const id = await world.create();
    const [terminal] = (await server.ok("GET", `/v1/environments/${id}/terminals`)).terminals;
    const client = await new TerminalClient(server, id, terminal.id).opened();
    // The quotes keep the echo of this line from being taken for a prompt.
    client.type("PS1='prompt''> '\n");
    await client.until("prompt> ");

    for (let round = 0; round < COUNT; round++) {
      client.forget();
      client.type("yes\n");
      const before = client.received;
      await poll(`flood ${round}`, () => client.received > before + FLOWING_BYTES);
      client.forget();
      client.type("\x03");
      await client.until("prompt> ");
      // Without bash's marks of prompt and folder (OSC 133 and 7). Whether it begins a new line depends on how `yes` ended its last one.
      const shown = client.text.replaceAll(/\x1b\][^\x07]*\x07/g, "");
      expect(shown, `round ${round}`).toMatch(/\^C(\r\n)?(\x1b\[[?0-9]+[a-z])*prompt> /);
    }
    expect(client.jumps).toEqual([]);
    expect(client.frames.filter((frame) => frame.startsWith("GAP"))).toEqual([]);
    await client.close();
  },
  COUNT * 10_000 + 120_000,
);
