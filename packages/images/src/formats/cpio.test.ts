import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CpioEntry, writeCpio } from "./cpio.ts";

/** Reads an archive by the format's description, not by the writer's code. */
function parse(archive: Buffer) {
  const members = [];
  for (let at = 0; ; ) {
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString("utf8", at + 110, nameEnd - 1);
    const start = Math.ceil(nameEnd / 4) * 4;
    const data = archive.subarray(start, start + field(6));
    if (name === "TRAILER!!!") return { members, end: start };
    members.push({
      name,
      mode: field(1),
      uid: field(2),
      gid: field(3),
      rdev: [field(9), field(10)],
      data,
      inode: field(0),
    });
    at = Math.ceil((start + data.length) / 4) * 4;
  }
}

describe("writeCpio", () => {
  test("writes files, folders and devices as root's, with the mode asked for", () => {
    const data = Buffer.from("#!/bin/sh\n");
    const { members, end } = parse(
      writeCpio([
        { type: "directory", name: "dev", mode: 0o755 },
        { type: "character", name: "dev/console", mode: 0o600, major: 5, minor: 1 },
        { type: "file", name: "init", mode: 0o755, data },
      ]),
    );
    const owner = { uid: 0, gid: 0 };
    const none = Buffer.alloc(0);
    expect(members).toEqual([
      { name: "dev", mode: 0o40755, rdev: [0, 0], data: none, inode: 1, ...owner },
      { name: "dev/console", mode: 0o20600, rdev: [5, 1], data: none, inode: 2, ...owner },
      { name: "init", mode: 0o100755, rdev: [0, 0], data, inode: 3, ...owner },
    ]);
    expect(end % 4).toBe(0);
  });

  test("any names and contents come back", () => {
    const name = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/^\/|\0|TRAILER!!!/.test(text));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 50 }))), (files) => {
        const entries = files.map(([name, data]): CpioEntry => ({ type: "file", name, mode: 0o644, data }));
        const { members } = parse(writeCpio(entries));
        expect(members.map(({ name, data }) => [name, [...data]])).toEqual(
          files.map(([name, data]) => [name, [...data]]),
        );
      }),
    );
  });

  test.each(["", "/init", "a\0b"])("refuses the name %j", (name) => {
    expect(() => writeCpio([{ type: "directory", name, mode: 0o755 }])).toThrow(RangeError);
  });
});
