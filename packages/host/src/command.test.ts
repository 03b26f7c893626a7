import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { runCommand } from "./command.ts";

const isAlive = (pid: number) => {
  try {
    // A zombie that nobody has waited for yet has ended, too.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

describe("runCommand", () => {
  test("keeps both streams apart and gives the exit status", async () => {
    const lines: string[] = [];
    const result = await runCommand(["sh", "-c", "echo out; printf 'err\\nno end' >&2; exit 3"], {
      onLine: (line, stream) => lines.push(`${stream}: ${line}`),
    });
    expect(result).toEqual({ code: 3, signal: null, stdout: "out\n", stderr: "err\nno end" });
    expect(lines.sort()).toEqual(["stderr: err", "stderr: no end", "stdout: out"]);
  });

  test("keeps only the end of a long output, and no character is cut for onLine", async () => {
    let characters = 0;
    const onLine = (line: string) => {
      characters += line.length;
    };
    const script = "process.stdout.write('ä'.repeat(200000))";
    const result = await runCommand([process.execPath, "-e", script], { tailBytes: 10, onLine });
    expect([result.stdout, characters]).toEqual(["äääää", 200_000]);
  });

  test("names a program that is not there", async () => {
    await expect(runCommand(["/no/such program"])).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("gives the signal that ended a program", async () => {
    expect(await runCommand(["sh", "-c", "kill -KILL $$"])).toMatchObject({ code: null, signal: "SIGKILL" });
  });

  test("passes exactly the environment and folder it is given", async () => {
    const options = { env: { PATH: process.env.PATH ?? "", ONLY: "this" }, cwd: "/" };
    const { stdout } = await runCommand(["sh", "-c", "echo $ONLY $HOME-; pwd"], options);
    expect(stdout).toBe("this -\n/\n");
  });

  test("ends the command and its children when aborted", async () => {
    const abort = new AbortController();
    const pids: number[] = [];
    const run = runCommand(["sh", "-c", "sleep 100 & echo $!; echo $$; wait"], {
      signal: abort.signal,
      onLine: (line) => {
        pids.push(Number(line));
        if (pids.length === 2) abort.abort(new Error("enough"));
      },
    });
    await expect(run).rejects.toThrow("enough");
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 60_000 });
  });

  test("starts nothing for an aborted signal", async () => {
    const lines: string[] = [];
    const run = runCommand(["echo", "ran"], { signal: AbortSignal.abort(), onLine: (line) => lines.push(line) });
    await expect(run).rejects.toThrow();
    expect(lines).toEqual([]);
  });

  test("a program does not outlive a caller that is killed", async () => {
    const source = `import { runCommand } from ${JSON.stringify(new URL("./command.ts", import.meta.url).href)};
      await runCommand(["sh", "-c", "echo $$; exec sleep 100"], {
        onLine: (line) => process.stdout.write(line + "\\n", () => process.kill(process.pid, "SIGKILL")),
      });`;
    const { stdout, signal } = await runCommand([process.execPath, "--input-type=module", "-e", source]);
    expect(signal).toBe("SIGKILL");
    await vi.waitFor(() => expect(isAlive(Number(stdout))).toBe(false), { timeout: 60_000 });
  });
});
