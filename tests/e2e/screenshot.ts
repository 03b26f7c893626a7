/**
 * `node tests/e2e/screenshot.ts [FILE]`: makes the README's picture, docs/images/terminal.png, of the page as it is in the checkout.
 * A real guest, a real Chromium; nothing on it is staged but what is typed. Needs root, Node 24 and what the tests need;
 * leaves nothing behind.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { pause } from "@microterm/host";
import { startGuestPage } from "../../support/guest-page.ts";
import { signIn } from "../../support/page.ts";

const FILE = process.argv[2] ?? join(import.meta.dirname, "../../docs/images/terminal.png");
const SIZE = { width: 1280, height: 760 };
const DEADLINE_MS = 120_000;

const PRIMES = `"""Primes, by the sieve of Eratosthenes."""
from sys import argv


def primes(limit: int) -> list[int]:
    sieve = bytearray([1]) * (limit + 1)
    for n in range(2, int(limit**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(sieve[n * n :: n]))
    return [n for n in range(2, limit + 1) if sieve[n]]


print(*primes(int(argv[1])))
`;

const REPOSITORY = `
set -e
git config --global user.name dev && git config --global user.email dev@example.org
git config --global init.defaultBranch main
mkdir -p primes/tests && cd primes && git init -q
echo '# Primes' > README.md && git add . && git commit -qm 'Say what it is'
cat > primes.py <<'END'
${PRIMES}END
chmod +x primes.py && git add . && git commit -qm 'Sieve up to a limit'
git checkout -qb tests && echo 'from primes import primes' > tests/test_primes.py
git add . && git commit -qm 'Test the first hundred'
git checkout -q main && echo '*.pyc' > .gitignore && git add . && git commit -qm 'Ignore what Python compiles'
git merge -q --no-ff -m 'Merge tests' tests`;

// The daemon is detached and keeps no process waiting for its end.
const awake = setInterval(() => undefined, 60_000);
const guests = await startGuestPage();
try {
  const { world, browser } = guests;
  const { id } = await world.server.ok("POST", "/v1/environments", { name: "demo" });
  await world.until(id, "running");
  const prepared = await world.run(id, REPOSITORY, DEADLINE_MS);
  if (prepared.code !== 0) throw new Error(prepared.stderr);

  const page = await signIn(browser, world.server, { colorScheme: "dark", renderer: "webgl" });
  await page.page.setViewportSize(SIZE);
  await page.open(id, "webgl");
  await page.untilTerminal("live");
  const keys = async (...pressed: readonly string[]): Promise<void> => {
    for (const key of pressed) await page.page.keyboard.press(key);
  };
  /** WebGL draws no text that could be read, so tmux in the guest is asked what it shows. */
  const shown = async (pane: number): Promise<string> =>
    (await world.run(id, `tmux capture-pane -p -t work:0.${pane}`)).stdout;
  const untilPane = async (pane: number, fits: RegExp | ((text: string) => boolean)): Promise<void> => {
    for (const deadline = Date.now() + DEADLINE_MS; ; await pause(300)) {
      const text = await shown(pane);
      if (typeof fits === "function" ? fits(text) : fits.test(text)) return;
      if (Date.now() > deadline) throw new Error(`pane ${pane} does not come to ${fits}:\n${text}`);
    }
  };

  // Beside it two more terminals, named for what runs in them: a prompt would name them after its folder again.
  for (const command of ["printf '\\e]0;python\\a'; python3", "printf '\\e]0;notes\\a'; nano notes.txt"]) {
    await keys("Control+Shift+Enter");
    await page.untilTerminal("live");
    await page.page.waitForTimeout(2000);
    await page.type(`${command}\n`);
    await page.page.waitForTimeout(1000);
  }
  await page.page.getByRole("tab").first().click();
  await page.untilTerminal("live");
  await page.type("cd primes; clear; tmux new -s work\n");
  await untilPane(0, /\$/);
  await keys("Control+b", "%");
  await untilPane(1, /\$/);
  await page.type("vim primes.py\n");
  await untilPane(1, /All/);
  await keys("Control+b", '"');
  await untilPane(2, /\$/);
  await page.type("htop\n");
  await untilPane(2, /F9Kill/);
  await keys("Control+b", "ArrowLeft");
  for (const command of ["uname -srm", "df -h /", "ls -l", "git log --graph --oneline", "python3 primes.py 60"]) {
    const prompts = (text: string): number => text.split("$").length - 1;
    const before = prompts(await shown(0));
    await page.type(`${command}\n`);
    await untilPane(0, (text) => prompts(text) > before);
  }
  await page.page.getByTitle("Round trip to the server").getByText(/\d ms/).waitFor();
  // Until htop no longer lists what asked tmux.
  await page.page.waitForTimeout(6000);

  mkdirSync(dirname(FILE), { recursive: true });
  await page.page.screenshot({ path: FILE });
  if (page.errors.length > 0) throw new Error(page.errors.join("\n"));
  console.log(FILE);
} finally {
  await guests.close();
  clearInterval(awake);
}
