/** Terminals side by side, for this package's tests. */
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import { expect } from "vitest";
import {
  followScreen,
  parseScreen,
  parseScreenState,
  type Screen,
  type ScreenFollower,
  stringifyScreen,
} from "../index.ts";
import { describeScreen, type Listener, listenTo, QUERIES } from "./index.ts";

export interface Rig {
  readonly terminal: InstanceType<typeof headless.Terminal>;
  readonly screen: ScreenFollower;
  readonly heard: Listener;
}

export const createRig = (cols: number, rows: number, scrollback = 50): Rig => {
  const terminal = new headless.Terminal({ cols, rows, allowProposedApi: true, scrollback, logLevel: "off" });
  terminal.loadAddon(new UnicodeGraphemesAddon());
  return { terminal, screen: followScreen(terminal), heard: listenTo(terminal) };
};

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

export const stateOf = ({ terminal, screen, heard }: Rig) => ({
  ...describeScreen(terminal),
  texts: [screen.title, screen.cwd, screen.hasLostRows],
  palette: { ...heard.palette },
});

/** Through all that a keyframe and a storage do to it. */
export const carried = (screen: Screen): Screen => {
  expect(parseScreenState(JSON.parse(JSON.stringify(screen.state)))).toEqual(screen.state);
  const back = parseScreen(stringifyScreen(screen));
  expect(back).toEqual(screen);
  return back as Screen;
};

export const copyInto = (to: Rig, from: Rig): Rig => {
  to.screen.restoreNow(carried(from.screen.capture({ scrollback: 1000 })));
  return to;
};

export const answersOf = ({ screen, heard }: Rig): string => {
  heard.answers();
  screen.writeNow(encode(QUERIES));
  return heard.answers();
};
