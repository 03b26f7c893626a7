import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../../../../support/temp-folder.ts";
import { markLine, RecordingFile } from "./recording-file.ts";

const HEADER = '{"version":3}\n';
const MARK = { offset: 1234n, elapsedMs: 56, isFull: false };

async function make(text: string): Promise<RecordingFile> {
  const folder = await makeTempFolder();
  onTestFinished(folder.remove);
  const file = new RecordingFile(join(folder.path, "terminal"));
  writeFileSync(file.cast, text);
  return file;
}

it("goes on behind its last mark, however much was written after it without one", async () => {
  const whole = `${HEADER}[0,"o","# 9 9"]\n${markLine(MARK)}`;
  for (const rest of ["", '[0,"o","cut o', `[0,"o","${"x".repeat(5_000_000)}"]\n[0,`]) {
    const file = await make(whole + rest);
    expect(await file.cutToMark()).toMatchObject({ mark: MARK, bytes: whole.length });
    expect(readFileSync(file.cast, "utf8")).toBe(whole);
  }
});

it("starts over where there is no mark", async () => {
  const file = await make(`${HEADER}[0,"o","${"x".repeat(300_000)}"]\n`);
  expect(await file.cutToMark()).toEqual({ mark: null, bytes: 0 });
  expect(await file.size()).toBe(0);
  expect(await new RecordingFile(`${file.cast}.none`).cutToMark()).toEqual({ mark: null, bytes: 0 });
});

it("knows that it is full from its last line, without reading the others", async () => {
  const file = await make(HEADER);
  truncateSync(file.cast, 64 * 1024 * 1024);
  expect(await file.isFull()).toBe(false);
  appendFileSync(file.cast, `\n${markLine({ ...MARK, isFull: true })}`);
  const read = () => Number(/^rchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  const before = read();
  expect(await file.isFull()).toBe(true);
  expect(read() - before).toBeLessThan(64 * 1024);
  appendFileSync(file.cast, '[0,"o","');
  expect(statSync(file.cast).size).toBe(await file.size());
});
