import { plainText } from "@microterm/protocol";

/** What is looked through, bytes: a panic's trace is a few KiB. */
const LOOKED_AT = 16_384;
/** printk(9)'s time since the boot. */
const TIME = /^\[ *\d+\.\d+\] /;
const PANIC = /^Kernel panic\b/;
/** What every good boot prints, too, and so explains nothing. */
const HARMLESS: readonly RegExp[] = [
  // The microvm machine type has no PCI bus, which the kernel says at its loudest.
  /^PCI: Fatal: No config space access function found/,
  /^microterm-agent: ready/,
  /^(?:random: crng init done|clocksource: |i8042: |hrtimer: interrupt took )/,
  // The frame of a trace, whose cause stands above it.
  /^(?:---\[ |Call Trace:|Modules linked in:|Kernel Offset: |Rebooting in \d+ seconds)/,
];

/** The line of a console that says best why its guest ended; null where none does. A guest's words: for a person alone. */
export function causeOf(console: Uint8Array): string | null {
  // ASCII is all a kernel prints; every other byte is dropped with the control characters.
  let text = "";
  for (const byte of console.subarray(-LOOKED_AT)) text += byte < 0x80 ? String.fromCharCode(byte) : "";
  const plain = text.split(/[\r\n]+/).map((line) => plainText(line, { layout: "spaced", max: 180 }));
  const lines = plain.map((line) => line.replace(TIME, "").slice(0, 160));
  const said = lines.filter((line) => line !== "" && !HARMLESS.some((pattern) => pattern.test(line)));
  return said.findLast((line) => PANIC.test(line)) ?? said.at(-1) ?? null;
}
