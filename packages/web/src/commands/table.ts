/** Every action of the page by its name: what the palette offers and what the sheet of shortcuts lists. */

export interface Command {
  readonly name: string;
  readonly group: "Terminal" | "Environment" | "Page";
  /** Where a key does it too. */
  readonly keys?: string;
}

export const COMMANDS = {
  "terminal.new": { name: "New terminal", group: "Terminal", keys: "Ctrl+Shift+Enter" },
  "terminal.close": { name: "Close this terminal", group: "Terminal" },
  "terminal.next": { name: "Next terminal", group: "Terminal", keys: "Ctrl+Shift+→" },
  "terminal.previous": { name: "Previous terminal", group: "Terminal", keys: "Ctrl+Shift+←" },
  "terminal.find": { name: "Find in this terminal", group: "Terminal", keys: "Ctrl+Shift+F" },
  "terminal.previous-prompt": { name: "Previous prompt", group: "Terminal", keys: "Ctrl+Shift+↑" },
  "terminal.next-prompt": { name: "Next prompt", group: "Terminal", keys: "Ctrl+Shift+↓" },
  "terminal.share": { name: "Share this terminal", group: "Terminal" },
  "terminal.record": { name: "Record this terminal, or end that", group: "Terminal" },
  "terminal.recorded": { name: "What was recorded", group: "Terminal" },
  "terminal.toggle-tab": { name: "Let Tab leave the terminal, or type", group: "Terminal", keys: "Ctrl+Shift+F6" },
  "environment.create": { name: "New environment", group: "Environment" },
  "environment.create-options": { name: "New environment with options", group: "Environment" },
  "environment.start": { name: "Start this environment", group: "Environment" },
  "environment.resume": { name: "Resume this environment", group: "Environment" },
  "environment.pause": { name: "Pause this environment", group: "Environment" },
  "environment.stop": { name: "Stop this environment", group: "Environment" },
  "environment.remove": { name: "Remove this environment", group: "Environment" },
  "environment.network": { name: "Show or change its network", group: "Environment" },
  "environment.usage": { name: "Show usage and limits", group: "Environment" },
  "environment.ports": { name: "Show listening ports", group: "Environment" },
  "page.palette": { name: "Command palette", group: "Page", keys: "Ctrl+Shift+P" },
  "page.shortcuts": { name: "Keyboard shortcuts", group: "Page", keys: "?" },
  "page.environments": { name: "All environments", group: "Page" },
  "page.account": { name: "My account", group: "Page" },
  "page.administration": { name: "Administration", group: "Page" },
  "page.theme": { name: "Switch the theme", group: "Page" },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandId = keyof typeof COMMANDS;
