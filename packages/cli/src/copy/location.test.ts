import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinRemote, meansContents, nameOf, parseLocation } from "./location.ts";

describe("a location", () => {
  it.each([
    ["demo:/etc/hosts", { kind: "remote", environment: "demo", path: "/etc/hosts" }],
    ["demo:", { kind: "remote", environment: "demo", path: "." }],
    ["demo:a:b", { kind: "remote", environment: "demo", path: "a:b" }],
    ["demo:two\nlines", { kind: "remote", environment: "demo", path: "two\nlines" }],
    ["file", { kind: "local", path: "file" }],
    ["./demo:file", { kind: "local", path: "./demo:file" }],
    ["/tmp/demo:file", { kind: "local", path: "/tmp/demo:file" }],
    ["Demo:file", { kind: "local", path: "Demo:file" }],
    [":file", { kind: "local", path: ":file" }],
  ])("%j is %j", (text, location) => {
    expect(parseLocation(text)).toEqual(location);
  });

  it("with ./ before it is always here", () => {
    fc.assert(fc.property(fc.string(), (text) => parseLocation(`./${text}`).kind === "local"));
  });

  it("means a folder's contents with /.", () => {
    expect(["a/.", "a/./", ".", ".."].map(meansContents)).toEqual([true, true, true, true]);
    expect(["a", "a/", "a.", ".a", "a/.b"].map(meansContents)).toEqual([false, false, false, false, false]);
  });

  it("has its last component as its name", () => {
    expect(["a/b", "a/b/", "/a", "a/../b"].map(nameOf)).toEqual(["b", "b", "a", "b"]);
    for (const path of ["/", ".", "..", "../.."]) expect(() => nameOf(path)).toThrow(path);
    expect([joinRemote("/", "a"), joinRemote("x", "a"), joinRemote("x/", "a")]).toEqual(["/a", "x/a", "x/a"]);
  });
});
