import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { ScreenViewer } from "../../support/screen-viewer.ts";
import { poll } from "../../support/server.ts";

const SIZE = { cols: 100, rows: 30 };
/** A screen stands when all have drawn the same bytes for so long. */
const QUIET_MS = 700;
/** Refreshes and cut connections of one viewer, over all programs. */
const FAULTS_A_PROGRAM = 2;

/** Draws with colours, line drawing and a mouse that it follows (curses(3), SGR mouse of xterm's ctlseqs). */
const MOUSE_PROGRAM = String.raw`
import curses
def main(screen):
    curses.mousemask(curses.ALL_MOUSE_EVENTS | curses.REPORT_MOUSE_POSITION)
    print("\033[?1003h\033[?1006h", end="", flush=True)
    curses.start_color()
    curses.use_default_colors()
    for n in range(1, 8):
        curses.init_pair(n, n, -1 if n % 2 else 8 - n)
    curses.curs_set(0)
    screen.box()
    for y in range(1, 25):
        for x in range(1, 90):
            screen.addch(y, x, 65 + (x * y) % 26, curses.color_pair(1 + (x + y) % 7) | (curses.A_BOLD if x % 3 else curses.A_UNDERLINE))
    screen.addstr(26, 2, "mouse ready")
    screen.refresh()
    while True:
        key = screen.getch()
        if key == ord("q"):
            break
        if key == curses.KEY_MOUSE:
            _, x, y, _, state = curses.getmouse()
            screen.addstr(26, 2, "at %d,%d with %d   " % (x, y, state))
            screen.refresh()
curses.wrapper(main)
`;

const NOTES = Array.from({ length: 400 }, (_, n) => `service-${n}\t${n}/${n % 2 ? "udp" : "tcp"}\t# line ${n}\n`).join(
  "",
);

interface Step {
  readonly type: string;
  /** What one of the rows holds when the step is done. */
  readonly until: string | RegExp;
}

/** What a person does in each, and the way back to the prompt. */
const PROGRAMS: Readonly<Record<string, readonly Step[]>> = {
  vim: [
    { type: "vim -c 'set number hlsearch' notes.txt\r", until: "notes.txt" },
    { type: "/tcp\r", until: /\/tcp/ },
    { type: ":split\r", until: "notes.txt" },
    { type: "\x04\x04zz", until: "notes.txt" },
    { type: ":qa!\r", until: /\$ ?$/ },
  ],
  htop: [
    { type: "htop -d 100\r", until: "F10" },
    { type: "\x1b[B\x1b[B", until: "F10" },
    { type: "q", until: /\$ ?$/ },
  ],
  tmux: [
    // It takes keys that come at once for a paste, in which its prefix means nothing; on a busy host they come so.
    { type: "tmux new \\; set -g assume-paste-time 0\r", until: /^\[0\]/ },
    { type: "\x02%", until: "│" },
    { type: "seq 1 100; printf '\\e[4:3;58:5:9mwavy\\e[0m\\n'\r", until: "wavy" },
    { type: '\x02"', until: "─" },
    { type: "\x02:kill-server\r", until: "server exited" },
  ],
  less: [
    { type: "less notes.txt\r", until: "service-1 " },
    { type: "   /udp\r", until: "udp" },
    { type: "q", until: /\$ ?$/ },
  ],
  man: [
    { type: "man ls\r", until: /LS\(1\)|No manual/ },
    { type: "  ", until: /./ },
    { type: "q", until: /\$ ?$/ },
  ],
  python: [
    { type: "python3 -q\r", until: ">>>" },
    {
      type: "for n in range(12): print('\\033[%dm' % (31 + n % 6), n, '\\033[0m', chr(0x4e00 + n), 'e\\u0301')\r\r",
      until: "11",
    },
    { type: "exit()\r", until: /\$ ?$/ },
  ],
  mouse: [
    { type: "python3 mouse.py\r", until: "mouse ready" },
    { type: "\x1b[<0;40;12M\x1b[<0;40;12m", until: "at 39,11" },
    { type: "q", until: /\$ ?$/ },
  ],
};

/** Key by key; a key's sequence stays whole. */
async function typeLikeAPerson(viewer: ScreenViewer, text: string): Promise<void> {
  for (const key of text.match(/\x1b\[[<\d;]*[A-Za-z]|[\s\S]/g) ?? []) {
    viewer.type(key);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

describe("three screens of one terminal: of the first viewer, of one that came late, of one that lost its connection again and again", () => {
  it("are the same in every cell and mode, through vim, htop, tmux, less, man, python and a mouse", async () => {
    const id = await world.create({ memoryMib: 256 });
    for (const [name, text] of Object.entries({ "mouse.py": MOUSE_PROGRAM, "notes.txt": NOTES })) {
      const path = `/v1/environments/${id}/files/content?path=${name}`;
      expect((await world.server.call("PUT", path, { raw: text })).status).toBe(201);
    }
    const [{ id: terminal }] = (await world.server.ok("GET", `/v1/environments/${id}/terminals`)).terminals;
    const server = () => world.server;
    const first = new ScreenViewer(server, id, terminal);
    const unlucky = new ScreenViewer(server, id, terminal);
    first.open(SIZE);
    unlucky.open();
    const until = async (what: string | RegExp, name: string) => {
      const isShown = async () =>
        (await first.rows()).some((row) => (typeof what === "string" ? row.includes(what) : what.test(row)));
      await poll(`${name}: ${what}`, isShown, 120_000).catch(async (error: unknown) => {
        throw new Error(`the screen is\n${(await first.rows()).join("\n")}`, { cause: error });
      });
    };
    /** Resolves when all have drawn the same, and nothing more came for a while. */
    const quiet = async (name: string, viewers: readonly ScreenViewer[]) => {
      let since = Date.now();
      let before = -1n;
      await poll(
        `a quiet moment of ${name}`,
        () => {
          const isEven = viewers.every((viewer) => viewer.isConnected && viewer.drawn === first.drawn);
          if (!isEven || first.drawn !== before) since = Date.now();
          before = first.drawn;
          return Date.now() - since >= QUIET_MS;
        },
        120_000,
      );
    };
    await until(/\$ ?$/, "the prompt");
    first.type("\r");
    const faults: string[] = [];
    for (const [name, steps] of Object.entries(PROGRAMS)) {
      const late = new ScreenViewer(server, id, terminal);
      for (const [number, step] of steps.entries()) {
        await typeLikeAPerson(first, step.type);
        if (number === 0) {
          // In the middle of the program's own start.
          unlucky.cut();
          faults.push("cut");
        }
        await until(step.until, `${name}, step ${number + 1}`);
        if (number === 0) late.open();
        if (number === 1 && faults.length < Object.keys(PROGRAMS).length * FAULTS_A_PROGRAM) {
          await unlucky.refresh();
          faults.push("refresh");
        }
        const viewers = [first, late, unlucky];
        await quiet(`${name}, step ${number + 1}`, viewers);
        const seen = await first.describe();
        expect(await late.describe(), `${name}, step ${number + 1}: the late joiner's screen`).toEqual(seen);
        expect(await unlucky.describe(), `${name}, step ${number + 1}: the unlucky one's screen`).toEqual(seen);
      }
      expect(late.keyframes, `${name}: how the late joiner began`).toBe(1);
      expect(late.trouble).toEqual([]);
      late.close();
    }
    expect(faults.length).toBeGreaterThanOrEqual(10);
    expect([...first.trouble, ...unlucky.trouble]).toEqual([]);
    first.close();
    unlucky.close();
  }, 900_000);
});
