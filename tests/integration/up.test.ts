import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { dataPaths } from "../../packages/setup/src/data/paths.ts";
import { serverAccount } from "../../packages/setup/src/server/account.ts";
import { startServer, stopServer } from "../../packages/setup/src/server/server-process.ts";
import { addOwner } from "../../support/second-owner.ts";
import { poll } from "../../support/server.ts";

const script = join(import.meta.dirname, "../../microterm");
const parent = mkdtempSync(join(tmpdir(), "microterm-up-"));
const data = join(parent, "data");
const hadUser = /^microterm:/m.test(readFileSync("/etc/passwd", "utf8"));

/** The entry script as a person runs it, without a terminal. */
function microterm(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(script, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, MICROTERM_DATA: data },
  });
  return { status, stdout, stderr };
}

afterAll(() => {
  microterm("down", "--destroy", "--yes");
  rmSync(parent, { recursive: true, force: true });
  if (!hadUser && process.getuid?.() === 0) spawnSync("userdel", ["microterm"]);
});

describe.runIf(process.getuid?.() === 0)("root, in a data folder of another user's", () => {
  const NOBODY = 65_534;
  const theirs = join(parent, "theirs");
  const marker = join(parent, "marker");
  /** Names programs of that user's, as the file names the daemon and the agent of the last `up`. */
  const plant = () => {
    mkdirSync(join(theirs, "images"), { recursive: true });
    const program = join(theirs, "microterm-host");
    writeFileSync(program, `#!/bin/sh\nid -u >>${marker}\nsleep 1\n`);
    chmodSync(program, 0o755);
    const image = { path: join(theirs, "images"), key: "0123456789abcdef" };
    const args = ["serve", "--data", theirs, "--driver", "process", "--agent", program];
    for (const part of ["last-up.json", "images", "microterm-host", "."]) {
      if (part === "last-up.json")
        writeFileSync(join(theirs, part), JSON.stringify({ daemon: program, image, args }), { mode: 0o600 });
      chownSync(join(theirs, part), NOBODY, NOBODY);
    }
  };

  it.each(["up -d --driver process", "down", "down --destroy --yes", "status", "doctor"])(
    "runs nothing of that user's with more than that user's rights: %s",
    (line) => {
      chmodSync(parent, 0o755);
      plant();
      const [verb = "", ...args] = line.split(" ");
      const { status, stderr } = microterm(verb, ...args, "--data", theirs);
      if (verb === "up") expect([status, stderr]).toEqual([1, expect.stringContaining("belongs to nobody")]);
      const ranAs = existsSync(marker) ? readFileSync(marker, "utf8").trim().split("\n") : [];
      expect(ranAs.filter((uid) => uid !== String(NOBODY))).toEqual([]);
    },
  );

  it.each(["up -d --driver process", "down", "status", "doctor"])(
    "refuses one that others may exchange: %s",
    (line) => {
      const [verb = "", ...args] = line.split(" ");
      const inside = join(theirs, "inside");
      mkdirSync(inside, { recursive: true });
      chownSync(theirs, NOBODY, NOBODY);
      expect(microterm(verb, ...args, "--data", inside)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`${theirs} belongs to uid ${NOBODY}`),
      });
    },
  );
});

describe.runIf(process.getuid?.() === 0)("a checkout below a folder that others may write to", () => {
  it("is run by root until something is put there that Node or cargo would read", () => {
    const shared = join(parent, "shared");
    mkdirSync(join(shared, "checkout"), { recursive: true });
    copyFileSync(script, join(shared, "checkout/microterm"));
    chmodSync(shared, 0o1777);
    const run = () => spawnSync(join(shared, "checkout/microterm"), ["ls"], { encoding: "utf8" }).stderr;
    expect(run()).toContain("not set up yet");
    for (const name of ["node_modules", ".cargo", "package.json"]) {
      mkdirSync(join(shared, name));
      expect(run()).toContain("not set up yet");
      chownSync(join(shared, name), 65_534, 65_534);
      expect(run()).toContain(`root would run what uid 65534 has put into ${join(shared, name)}`);
      rmSync(join(shared, name), { recursive: true });
    }
  });
});

describe("up and down", () => {
  it("before any up, verbs say what to do", () => {
    expect(microterm("ls")).toMatchObject({ status: 1, stderr: expect.stringContaining("./microterm up") });
    expect(microterm("status").status).toBe(3);
    expect(microterm("down").status).toBe(0);
  });

  it.runIf(process.getuid?.() === 0)("up refuses a folder that the server's user can't reach, and names it", () => {
    chmodSync(parent, 0o700);
    expect(microterm("up", "-d", "--driver", "process")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`can't pass through ${parent}`),
    });
    chmodSync(parent, 0o755);
  });

  it("up prints one line with a link that signs in once", async () => {
    const up = microterm("up", "-d", "--port", "0", "--driver", "process");
    expect(up.status, up.stderr).toBe(0);
    expect(microterm("doctor", "--leftovers")).toMatchObject({ status: 0, stdout: "✓ nothing is left\n" });
    const link = new URL(up.stdout.trim());
    expect(link.hostname).toBe("127.0.0.1");
    const signIn = () =>
      fetch(new URL("/v1/session", link), {
        method: "POST",
        headers: { "content-type": "application/json", origin: link.origin },
        body: JSON.stringify({ token: link.hash.replace("#token=", "") }),
      });
    expect((await signIn()).status).toBe(200);
    expect((await signIn()).status).toBe(401);
  }, 400_000);

  it.runIf(process.getuid?.() === 0)("a server that root starts is an ordinary user without capabilities", () => {
    const { server } = JSON.parse(microterm("status", "-o", "json").stdout) as { server: { pid: number } };
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    expect(status).not.toMatch(/^Uid:\s+0/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^CapBnd:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
  });

  it("a second up prints the same address, a fresh link, and ends well", () => {
    const again = microterm("up", "-d", "--driver", "process");
    expect(again).toMatchObject({ status: 0, stderr: expect.stringContaining("runs already") });
    expect(again.stdout).toContain("/sign-in#token=");
  });

  it("up replaces a server of other code, where it was, and both say which they are", async () => {
    type Status = { server: { pid: number; url: string; version: string } };
    const status = () => JSON.parse(microterm("status", "-o", "json").stdout) as Status;
    microterm("create", "--name", "lives-on");
    const paths = dataPaths(data);
    const { args } = JSON.parse(readFileSync(paths.lastUp, "utf8")) as { args: string[] };
    await stopServer(paths);
    // As versions did that knew of no builds.
    const at = args.indexOf("--build");
    const old = [...args.slice(0, at), ...args.slice(at + 2), "--port", "0"];
    await startServer({ paths, account: await serverAccount(), args: old, detach: true });
    const before = status().server;
    expect(before.version).toContain("before builds had names");
    expect(microterm("--version").stdout).toMatch(
      /^microterm \S+\+[0-9a-f]{8}\nserver .*\.\/microterm up' replaces it/,
    );

    const up = microterm("up", "-d", "--driver", "process");
    expect(up).toMatchObject({ status: 0, stderr: expect.stringContaining("replacing it. Environments live on") });
    const { server } = status();
    expect(server.pid).not.toBe(before.pid);
    expect(server.url).toBe(before.url);
    expect(microterm("--version").stdout).toMatch(/^microterm (\S+)\nserver {4}\1\n$/);
    expect(microterm("ls").stdout).toMatch(/lives-on +\S+ +running/);
    microterm("rm", "lives-on");
  }, 400_000);

  it("up starts a server again that does not take the token in its folder", () => {
    writeFileSync(join(data, "server/token"), "nonsense\n");
    expect(microterm("open").status).toBe(1);
    const again = microterm("up", "-d", "--driver", "process", "--port", "0");
    expect(again.stdout, again.stderr).toContain("/sign-in#token=");
    expect(again.stderr).toContain("does not take the token");
    expect(microterm("open").status).toBe(0);
  });

  it("a server that ends of itself is started again, with a line in its log", async () => {
    const running = () =>
      (JSON.parse(microterm("status", "-o", "json").stdout) as { server: { pid: number } | null }).server;
    const first = running()?.pid as number;
    process.kill(first, "SIGKILL");
    await poll("another server", () => ![first, undefined].includes(running()?.pid));
    expect(microterm("open").status).toBe(0);
    expect(readFileSync(join(data, "server-start.log"), "utf8")).toContain(
      "the server ended with code 137; starting it again",
    );
    // And one that is told to stop stays away.
    process.kill(running()?.pid as number, "SIGTERM");
    await poll("no server", () => running() === null);
    expect(microterm("up", "-d", "--driver", "process", "--port", "0").status).toBe(0);
  });

  it("a port that is taken is reported with its owner", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    microterm("down");
    const up = microterm("up", "-d", "--driver", "process", "--port", String(port));
    taken.close();
    expect(up.status).toBe(1);
    expect(up.stderr).toContain(`${port}`);
    expect(up.stderr).toContain("--port");
  });

  it("up refuses to open a server to others that has nothing but sign-in links, and says what to do", () => {
    const open = ["--public-url", "https://term.example.org", "--trust-proxy", "127.0.0.1"];
    const up = microterm("up", "-d", "--port", "0", "--driver", "process", ...open);
    expect([up.status, up.stdout]).toEqual([1, ""]);
    expect(up.stderr).toMatch(/protected by sign-in links alone.*set a password/s);
    expect(microterm("up", "-d", "--driver", "process", "--listen", "0.0.0.0").stderr).toMatch(/needs TLS/);
    expect(JSON.parse(microterm("status", "-o", "json").stdout)).toMatchObject({ server: null, exposure: null });
  });

  it("down stops the environments of all accounts", async () => {
    const url = new URL(microterm("up", "-d", "--port", "0", "--driver", "process").stdout.trim()).origin;
    const { token } = await addOwner(data, "carlcarl");
    const authorization = `Bearer ${token}`;
    const body = JSON.stringify({});
    const headers = { authorization, "content-type": "application/json" };
    const made = await fetch(`${url}/v1/environments`, { method: "POST", headers, body });
    expect(made.ok, await made.text()).toBe(true);
    const down = microterm("down");
    expect([down.status, down.stderr]).toEqual([0, expect.stringContaining("1 stopped")]);
  });

  it("down --destroy refuses without a terminal and without --yes, and keeps everything", () => {
    const refused = microterm("down", "--destroy");
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("--yes") });
    expect(existsSync(data)).toBe(true);
  });

  it("down --destroy --yes leaves nothing of the data folder, whatever is in its database", () => {
    writeFileSync(join(data, "server/microterm.db"), "not a database".repeat(500));
    expect(microterm("down")).toMatchObject({ status: 1, stderr: expect.stringContaining("down --destroy") });
    const destroyed = microterm("down", "--destroy", "--yes");
    expect(destroyed.status, destroyed.stderr).toBe(0);
    expect(existsSync(data)).toBe(false);
    expect(microterm("doctor", "--leftovers")).toMatchObject({ status: 0, stdout: "✓ nothing is left\n" });
  });

  it("doctor gives each check a reason, and a fix where one is needed", () => {
    const { checks } = JSON.parse(microterm("doctor", "-o", "json").stdout) as {
      checks: { name: string; status: string; text: string; fix: string | null }[];
    };
    expect(checks.map((one) => one.name)).toEqual(
      expect.arrayContaining([
        "accelerator",
        "namespaces",
        "apparmor",
        "cgroups",
        "nft",
        "tun",
        "uplink",
        "firewall",
        "disk",
        "memory",
        "system",
      ]),
    );
    for (const check of checks) {
      expect(check.text).not.toBe("");
      expect(check.fix === null, check.name).toBe(check.status === "ok");
    }
  });
});
