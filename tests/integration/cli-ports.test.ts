import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bodyOf, listen, serveHttp } from "../../support/preview-client.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { cli, cliOk } from "./cli-run.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.environment("one");
});
afterAll(async () => expect(await server?.dispose()).toEqual([]));

interface Forward {
  /** Ports of this machine, in the order in which they were asked for. */
  readonly ports: readonly number[];
  readonly said: () => string;
}

/** Runs until the test's end. */
async function forward(...mappings: readonly string[]): Promise<Forward> {
  let child: ChildProcess | undefined;
  let out = "";
  let said = "";
  const ended = cli(server, ["port-forward", "one", ...mappings], {
    during: (started) => {
      child = started;
      started.stdout?.on("data", (bytes: Buffer) => {
        out += bytes;
      });
      started.stderr?.on("data", (bytes: Buffer) => {
        said += bytes;
      });
    },
  });
  onTestFinished(async () => {
    child?.kill("SIGINT");
    await ended;
  });
  await poll("the ports to be there", () => {
    if (child?.exitCode != null) throw new Error(`it ended: ${said}`);
    return said.includes("Until Ctrl-C");
  });
  return {
    ports: [...out.matchAll(/^http:\/\/127\.0\.0\.1:(\d+) -> port /gm)].map(([, port]) => Number(port)),
    said: () => said,
  };
}

/** Sends, ends its side, and resolves with all that comes until the other side ends. */
async function exchange(port: number, sent: Buffer, host = "127.0.0.1"): Promise<Buffer> {
  const socket = connect(port, host);
  socket.end(sent);
  return Buffer.concat(await socket.toArray());
}

describe("port-forward", () => {
  it("carries bytes of several ports both ways, at both loopback addresses, and each side's end", async () => {
    const late = createServer({ allowHalfOpen: true }, async (socket) => {
      const all = Buffer.concat(await socket.toArray());
      socket.end(Buffer.from(all).reverse());
    });
    const http = await serveHttp(async (request, response) => response.end(`${(await bodyOf(request)).length} bytes`));
    const { ports } = await forward(`0:${await listen(late)}`, `0:${http}`);
    const bytes = randomBytes(3_000_000);
    for (const host of ["127.0.0.1", "::1"]) {
      const back = await exchange(ports[0] ?? 0, bytes, host);
      expect(back.equals(Buffer.from(bytes).reverse())).toBe(true);
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const answer = await fetch(`http://127.0.0.1:${ports[1]}/`, { method: "POST", body: bytes.subarray(0, at) });
        return answer.text();
      }),
    );
    expect(answers).toEqual(Array.from({ length: 20 }, (_, at) => `${at} bytes`));
  });

  it("says once that nothing listens, and goes on when something does", async () => {
    const program = createServer((socket) => socket.resume().end("here"));
    const remote = await listen(program);
    await new Promise<void>((resolve) => program.close(() => resolve()));
    const { ports, said } = await forward(`0:${remote}`);
    for (let at = 0; at < 3; at++) {
      const socket = connect(ports[0] ?? 0, "127.0.0.1").on("error", () => undefined);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    expect(said().match(/Connection refused/g)).toHaveLength(1);
    expect(said()).toContain("Start a program in the environment that listens on this port");
    program.listen(remote, "127.0.0.1");
    await once(program, "listening");
    onTestFinished(() => void program.close());
    expect(String(await exchange(ports[0] ?? 0, Buffer.from("x")))).toBe("here");
  });

  it("goes on with the next server", async () => {
    const remote = await serveHttp((_, response) => response.end("hello"));
    const { ports } = await forward(`0:${remote}`);
    const ask = () => fetch(`http://127.0.0.1:${ports[0]}/`).then((answer) => answer.text());
    expect(await ask()).toBe("hello");
    const { data, port } = server;
    await server.kill("SIGKILL");
    await expect(ask()).rejects.toThrow();
    server = await startServer({ data, args: ["--port", String(port)] });
    expect(await ask()).toBe("hello");
  });

  it("refuses what cannot be done, and says what can", async () => {
    const taken = await serveHttp(() => undefined);
    for (const [args, words] of [
      [["one", "0"], /0 is no port mapping.*8080:3000/s],
      [["one", "80:x"], /80:x is no port mapping/],
      [["one", "1:2:3"], /no port mapping/],
      [["one", `${taken}:80`], /is used by another program here.*8080:3000/s],
      [["two", "80"], /no environment/],
    ] as const) {
      const { code, stderr } = await cli(server, ["port-forward", ...args]);
      expect([args, code, words.test(stderr) || stderr]).toEqual([args, 1, true]);
    }
    expect((await cli(server, ["port-forward", "one"])).code).toBe(2);
  });
});

it("ports lists what listens", async () => {
  const port = await serveHttp(() => undefined);
  expect((await cliOk(server, ["ports", "one"])).split("\n")).toContain(String(port));
  expect(JSON.parse(await cliOk(server, ["ports", "one", "-o", "json"])).ports).toContain(port);
});
