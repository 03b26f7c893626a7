/** The terminal's code is as large as the rest of the page; it is fetched beside it, not after it. */
export const loadTerminal = () => import("./pane/terminal-pane.tsx");

export const preloadTerminal = (): void => {
  // A failure here is met again, and shown, when the terminal is needed.
  loadTerminal().catch(() => undefined);
};
