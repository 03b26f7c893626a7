import { type ControlSequence, ESC } from "./escape-scanner.ts";

const OSC = 0x5d;
/** As terminals read the number: with zeros before it. */
const CLIPBOARD = /^0*52(?:;|$)/;

export const isClipboard = ({ kind, body }: ControlSequence): boolean => kind === "osc" && CLIPBOARD.test(body);

/** Of one that has not ended, or not as it should. */
export function isClipboardText(bytes: Uint8Array): boolean {
  return bytes[0] === ESC && bytes[1] === OSC && CLIPBOARD.test(Buffer.from(bytes.subarray(2)).toString("latin1"));
}

/** Another coding than UTF-8 (ISO 2022, DOCS). */
export const isCoding = ({ kind, body }: ControlSequence): boolean => kind === "escape" && body.startsWith("%");

/** Colours and links (xterm's ctlseqs page). */
const DRAWING_OSC = /^0*(?:4|5|8|10|11|12|17|19|104|105|110|111|112|117|119)(?:;|$)/;
/**
 * Cursor, erasing, scrolling, attributes, tabs and modes. Not among them: `t` and `|`, which change the window, `i`, the printer, `,~`, which
 * plays tones, and what changes how keys are sent (`>4m`, `>1u`).
 */
const DRAWING_CSI =
  /^[\d;:]*[@A-MPSTWXZ^`abdefghjklmrsu]$|^\?[\d;]*[JKWhlrs]$|^[\d;]*(?: [@Aq]|!p|"q|'[}~]|\$[rvxz{])$/;
/** Not `k`, a title for screen and tmux, nor `F` and `G` after a space, which change how answers are sent. */
const DRAWING_ESCAPE = /^[6-9=>DEHMNOcno|}~\\]$|^#[3-8]$|^[()*+./-]/;
/** Locked keys; 80 and 132 columns, for which windows change; Windows' own way of sending keys. */
const ACTING_MODES = { ansi: new Set([2]), dec: new Set([3, 40, 9001]) };

/** Strings are images, which some terminals read from files, and what terminals keep for themselves. */
export function isDrawing({ kind, body }: ControlSequence): boolean {
  if (kind === "escape") return DRAWING_ESCAPE.test(body);
  if (kind === "csi") return DRAWING_CSI.test(body) && !changesActingMode(body);
  return kind === "osc" && DRAWING_OSC.test(body);
}

function changesActingMode(body: string): boolean {
  const [, dec, modes] = /^(\??)([\d;]*)[hlrs]$/.exec(body) ?? [];
  if (modes === undefined || (dec === "" && !/[hl]$/.test(body))) return false;
  const acting = dec === "" ? ACTING_MODES.ansi : ACTING_MODES.dec;
  return modes.split(";").some((mode) => acting.has(Number(mode)));
}

export function isQuery({ kind, body }: ControlSequence): boolean {
  if (kind === "csi") {
    // DA, DSR, XTVERSION, DECRQM, DECREQTPARM, reports of the window, of keys, kitty's keyboard query, sixel limits, checksums.
    return /^[>=]?\d*c$|^\??[\d;]*n$|^>\d*q$|\$p$|^[01]?x$|^(1[1-9]|2[01])(;\d+)*t$|^\?u$|^\?[\d;]*[Sgm]$|\*y$/.test(
      body,
    );
  }
  // DECID.
  if (kind === "escape") return body === "Z";
  // Questions for colours and the clipboard.
  if (kind === "osc") return /;\?$/.test(body);
  // DECRQSS, XTGETTCAP, and kitty's question for graphics.
  return kind === "string" && (/^[$+]q/.test(body) || /^G[^;]*a=q/.test(body));
}
