const MAX_LINES = 200;
// CSI, OSC and two-character sequences (ECMA-48, 5.3 and 5.4), then other control characters but tab and line feed.
const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Terminal output as plain text: its last 200 lines without control characters. */
export const plainLines = (output: string): string =>
  output
    .replace(SEQUENCES, "")
    .replace(/\r\n/g, "\n")
    .replace(CONTROLS, "")
    .trimEnd()
    .split("\n")
    .slice(-MAX_LINES)
    .join("\n");
