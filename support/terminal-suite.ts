import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { startServer, type TestServer } from "./server.ts";
import { TerminalClient, type TerminalClientOptions } from "./terminal-client.ts";

/** One server and one environment for all tests of a file, and terminals that go with the test that opened them. */
export interface TerminalSuite {
  /** From the first test on. */
  readonly server: TestServer;
  readonly environment: string;
  /** A terminal of its own that runs `sh -c SCRIPT`. Resolves with its id. */
  open(script: string): Promise<string>;
  attach(terminal: string, options?: TerminalClientOptions): TerminalClient;
}

/** To be called at the head of a test file: it makes server and environment before the tests, and checks that nothing is left after them. */
export function terminalSuite(name: string): TerminalSuite {
  let server: TestServer;
  let environment = "";
  beforeAll(async () => {
    server = await startServer();
    environment = (await server.environment(name)).id;
  });
  afterAll(async () => {
    expect(await server.dispose()).toEqual([]);
  });
  return {
    get server() {
      return server;
    },
    get environment() {
      return environment;
    },
    async open(script) {
      const terminals = `/v1/environments/${environment}/terminals`;
      const { id } = await server.ok("POST", terminals, { command: ["sh", "-c", script] });
      onTestFinished(async () => {
        await server.call("DELETE", `${terminals}/${id}`);
      });
      return id;
    },
    attach(terminal, options = {}) {
      const client = new TerminalClient(server, environment, terminal, options);
      onTestFinished(() => client.close());
      return client;
    },
  };
}
