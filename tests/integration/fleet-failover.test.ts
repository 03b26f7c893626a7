/** The server that holds an environment ends, in each way that there is: nothing of its terminals is lost. */
import { expect, it, onTestFinished } from "vitest";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { poll, type TestServer } from "../../support/server.ts";
import { openTerminal } from "../../support/sharing.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

/** Counts for as long as it lives, and says what is typed. */
const COUNT =
  "stty -onlcr -echo; (i=0; while :; do i=$((i + 1)); echo $i; sleep 0.005; done) & while read line; do echo got $line; done";

async function open(): Promise<TestFleet> {
  const fleet = await openFleet();
  onTestFinished(async () => expect(await fleet.dispose()).toEqual([]));
  return fleet;
}

/** What one person sees who comes back each time, at the byte where it ended. */
class Follower {
  text = "";
  client: TerminalClient;
  readonly #place: readonly [environment: string, terminal: string];

  constructor(server: TestServer, ...place: readonly [string, string]) {
    this.#place = place;
    this.client = new TerminalClient(server, ...place);
  }

  /** As a client does whose connection has ended: again and again until it is let in. */
  async moveTo(server: TestServer): Promise<void> {
    await this.client.ended;
    this.text += this.client.text;
    const from = this.client.offset;
    await poll("another connection", async () => {
      this.client = new TerminalClient(server, ...this.#place, { from });
      const isThere = new Promise((resolve) => this.client.socket.once("message", resolve));
      await Promise.race([isThere, this.client.ended]);
      return this.client.ready !== null;
    });
    expect(this.client.ready?.from).toBe(`${from}`);
  }

  async until(expected: string): Promise<void> {
    await this.client.until(expected);
  }

  /** As a person's page: it comes back to `server` where its connection has ended, as one does that was let in by who was about to end. */
  async stayUntil(expected: string, server: TestServer): Promise<void> {
    await poll(expected, async () => {
      if (this.client.socket.readyState === this.client.socket.CLOSED) await this.moveTo(server);
      return (this.text + this.client.text).includes(expected);
    });
  }

  /** All that came, in order. */
  get counted(): readonly number[] {
    expect(this.client.jumps).toEqual([]);
    const lines = (this.text + this.client.text).split("\n").slice(0, -1);
    return lines.filter((line) => !line.startsWith("got")).map(Number);
  }
}

it.each(["SIGKILL", "SIGTERM", "SIGSTOP"] as const)(
  "goes on at the exact byte at another server (%s)",
  async (signal) => {
    const fleet = await open();
    const [a, b] = [await fleet.start(), await fleet.start()];
    const { id } = await a.environment("held");
    const terminal = await openTerminal(a, id, COUNT);
    const [own, through] = [new Follower(a, id, terminal), new Follower(b, id, terminal)];
    await Promise.all([own.until("\n200\n"), through.until("\n200\n")]);

    const running = b.call("POST", `/v1/environments/${id}/exec`, { body: { command: ["sleep", "600"] } });
    await poll("the program", async () => (await b.ok("GET", `/v1/environments/${id}/metrics`)).guest.processes > 0);
    process.kill(a.pid, signal);
    // Nobody is told that a frozen process has gone.
    if (signal === "SIGSTOP") own.client.socket.terminate();
    await Promise.all([own.moveTo(b), through.moveTo(b)]);
    for (const [number, one] of [own, through].entries()) {
      one.client.type(`line${number}\n`);
      await one.until(`got line${number}`);
    }
    expect([503, 200]).toContain((await running).status);

    const counted = through.counted;
    expect(counted.length).toBeGreaterThan(200);
    expect(counted).toEqual(counted.map((_, at) => at + 1));
    expect(own.counted.slice(0, 200)).toEqual(counted.slice(0, 200));
    expect(own.counted).toEqual(own.counted.map((_, at) => at + 1));
    if (signal === "SIGSTOP") process.kill(a.pid, "SIGCONT");
    expect(await a.ended).toBe(signal === "SIGKILL" ? null : signal === "SIGTERM" ? 0 : 1);
    expect((await b.ok("GET", `/v1/environments/${id}`)).state).toBe("running");
  },
);

it("a server that ends tells why to those whose terminals others hold, between two of their frames", async () => {
  const fleet = await open();
  const [a, b] = [await fleet.start(), await fleet.start()];
  const { id } = await a.environment("held");
  const terminal = await openTerminal(a, id, "stty -echo; seq 1000000000");
  const through = new TerminalClient(b, id, terminal);
  await through.until("100");
  const ended = b.kill("SIGTERM");
  expect(await through.ended).toMatchObject({ code: 1012, reason: "the server is shutting down" });
  expect(await ended).toBe(0);
});

it("loses no byte in a rolling update", async () => {
  const fleet = await open();
  let servers = [await fleet.start(), await fleet.start(), await fleet.start()];
  const { id } = await (servers[0] as TestServer).environment("held");
  const terminal = await openTerminal(servers[0] as TestServer, id, COUNT);
  const follower = new Follower(servers[0] as TestServer, id, terminal);
  await follower.until("\n100\n");
  for (let round = 0; round < 3; round++) {
    const [old, ...others] = servers as [TestServer, TestServer, TestServer];
    // Whoever has it now, the client comes to the server that is replaced.
    if (round > 0) {
      follower.client.socket.terminate();
      await follower.moveTo(old);
    }
    const ended = old.kill("SIGTERM");
    await follower.moveTo(others[0]);
    expect(await ended).toBe(0);
    servers = [...others, await fleet.start()];
  }
  const last = (follower.counted.at(-1) ?? 0) + 100;
  await follower.stayUntil(`\n${last}\n`, servers[0] as TestServer);
  const { counted } = follower;
  expect(counted).toEqual(counted.map((_, at) => at + 1));
});
