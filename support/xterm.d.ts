/** Addons' types name the browser's package, whose types would bring the DOM's into programs of Node. The classes are the same. */
export type { ITerminalAddon, Terminal } from "@xterm/headless";
