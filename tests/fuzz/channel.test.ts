/** The host's end of the guest channel, and what it makes of a guest's words: every byte of them is the guest's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPlainStream, plainText } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import {
  ATTACH_FRAMES,
  EXEC_FRAMES,
  FRAME_HEADER,
  FrameDecoder,
  FrameError,
  type FrameShape,
  NAME_FRAMES,
} from "../../packages/agent-client/src/channel/frame-decoder.ts";
import { EchoSearch } from "../../packages/agent-client/src/channel/resync.ts";
import { createLineSplitter, LineTooLong } from "../../packages/host/src/lines.ts";
import { cutAnywhere, fuzz } from "../../support/fuzz.ts";
import { SECONDS } from "./budget.ts";

const OPTIONS = { timeout: (SECONDS + 120) * 1000 };
const golden = (file: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../../fixtures/agent", file), "utf8"));
const FRAMES: readonly Buffer[] = ["frames.json", "names.json"].flatMap((file) =>
  golden(file).frames.map(({ hex }: { hex: string }) => Buffer.from(hex, "hex")),
);
const MARKERS: { readonly magic: string; readonly cases: readonly { readonly pieces: readonly string[] }[] } =
  golden("markers.json");

/** Frames as text, and how it ended. */
function decode(shapes: ReadonlyMap<number, FrameShape>, pieces: readonly Buffer[]): { frames: string[]; end: string } {
  const decoder = new FrameDecoder(shapes);
  const frames: string[] = [];
  try {
    for (const piece of pieces) {
      decoder.push(piece);
      for (let part = decoder.next(); part !== undefined; part = decoder.next()) {
        const { type, head, body, bodyOffset } = part;
        if (bodyOffset === 0) frames.push(`${type}:${head.toString("hex")}`);
        frames[frames.length - 1] += body.toString("hex");
      }
    }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    return { frames, end: error.message };
  }
  return { frames, end: decoder.isIdle ? "idle" : "within" };
}

/** The same of a whole stream, as the format's page has it. */
function expected(shapes: ReadonlyMap<number, FrameShape>, stream: Buffer): { frames: string[]; end: RegExp } {
  const frames: string[] = [];
  let rest = stream;
  while (rest.length >= FRAME_HEADER) {
    const [type, length] = [rest.readUInt8(0), rest.readUInt32BE(1)];
    const shape = shapes.get(type);
    if (shape === undefined) return { frames, end: /^unknown frame type/ };
    if (length < shape.min || length > shape.max) return { frames, end: /^frame 0x.. with a payload of \d+ bytes$/ };
    const payload = rest.subarray(FRAME_HEADER, FRAME_HEADER + length);
    const isWhole = payload.length === length;
    if (isWhole || (shape.streamed && payload.length > shape.head)) frames.push(`${type}:${payload.toString("hex")}`);
    if (!isWhole) return { frames, end: /^within$/ };
    rest = rest.subarray(FRAME_HEADER + length);
  }
  return { frames, end: rest.length === 0 ? /^idle$/ : /^within$/ };
}

describe("the guest channel, fuzzed", () => {
  it.each([
    ["attach", ATTACH_FRAMES],
    ["exec", EXEC_FRAMES],
    ["open stream of names", NAME_FRAMES],
  ] as const)(
    "frames of an %s are the same wherever they are cut, or end in a FrameError",
    OPTIONS,
    (_name, shapes) => {
      const runs = fuzz({
        seeds: FRAMES,
        seconds: SECONDS,
        check(input, random) {
          const whole = decode(shapes, [input]);
          expect(whole).toEqual({ frames: expect.anything(), end: expect.stringMatching(expected(shapes, input).end) });
          expect(whole.frames).toEqual(expected(shapes, input).frames);
          expect(decode(shapes, cutAnywhere(input, random))).toEqual(whole);
          return `${whole.frames.map((frame) => frame.slice(0, 3))} ${whole.end}`;
        },
      });
      expect(runs).toBeGreaterThan(1000);
    },
  );

  it("an echo is found wherever it is cut, and nothing else is taken for it", OPTIONS, () => {
    const magic = Buffer.from(MARKERS.magic, "hex");
    const marker = Buffer.concat([magic, magic.subarray(3), Buffer.from("end")]);
    const runs = fuzz({
      seeds: [marker, magic, ...MARKERS.cases.map(({ pieces }) => Buffer.from(pieces.join(""), "hex"))],
      seconds: SECONDS,
      check(input, random) {
        const search = new EchoSearch();
        search.expect(marker);
        const at = input.indexOf(marker);
        let seen = 0;
        for (const piece of cutAnywhere(input, random)) {
          const rest = search.push(piece);
          seen += piece.length;
          if (rest === undefined) continue;
          expect([at, rest]).toEqual([seen - rest.length - marker.length, input.subarray(at + marker.length, seen)]);
          return `found at ${Math.min(at, 40)}`;
        }
        expect(at).toBe(-1);
        return `not found ${input.subarray(0, 2).toString("hex")}`;
      },
    });
    expect(runs).toBeGreaterThan(1000);
  });

  it("lines are the same wherever they are cut, or too long", OPTIONS, () => {
    const split = (pieces: readonly Buffer[]): string[] => {
      const lines: string[] = [];
      const take = createLineSplitter(64, (line) => lines.push(line));
      try {
        for (const piece of pieces) take(piece);
      } catch (error) {
        if (!(error instanceof LineTooLong)) throw error;
        lines.push("too long");
      }
      return lines;
    };
    const runs = fuzz({
      seeds: [Buffer.from('{"return":{}}\r\n{"event":"STOP"}\n'), Buffer.from("\n\n"), Buffer.alloc(65, "x")],
      seconds: SECONDS,
      check(input, random) {
        const lines = split([input]);
        expect(split(cutAnywhere(input, random))).toEqual(lines);
        return `${lines.length} ${lines.at(-1) === "too long"}`;
      },
    });
    expect(runs).toBeGreaterThan(1000);
  });

  it("words are shown without anything a terminal acts upon, wherever they are cut", OPTIONS, () => {
    const texts = [
      "\u001b[31mred\u001b[m",
      "\u001b]0;title\u0007",
      "\u001bP1$q\u001b\\",
      "日本\u202eabc\u0085",
      "\u001b(B\u001bc\t\r\n",
    ];
    const runs = fuzz({
      seeds: texts.map((text) => Buffer.from(text)),
      seconds: SECONDS,
      check(input, random) {
        const stream = createPlainStream();
        const streamed = cutAnywhere(input, random).map(stream).join("");
        const text = input.toString("utf8");
        const lines = plainText(text, { layout: "lines", max: 500 });
        for (const shown of [streamed, plainText(text), lines, plainText(text, { layout: "spaced" })]) {
          expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        }
        return `${plainText(text).length} ${streamed.length}`;
      },
    });
    expect(runs).toBeGreaterThan(1000);
  });
});
