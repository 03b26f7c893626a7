import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { dirname } from "node:path/posix";
import { describe, expect, it } from "vitest";
import { circles, readCrate, type Sources } from "./rust-modules.ts";

const rust = resolve(import.meta.dirname, "../../rust");
const crates = globSync("*/src", { cwd: rust }).map(dirname).sort();

function sourcesOf(crate: string): Sources {
  const src = join(rust, crate, "src");
  return new Map(globSync("**/*.rs", { cwd: src }).map((file) => [file, readFileSync(join(src, file), "utf8")]));
}

const isTest = (file: string) => /(^|[/_])tests\.rs$|(^|\/)tests\//.test(file);

/** Circles as lines of a report. */
function circlesIn(sources: Sources): string[] {
  return circles(readCrate(sources).edges).map((edges) =>
    edges.map(({ from, to, path }) => `${from} → ${to} (${path})`).join("\n"),
  );
}

const seeded = (files: Readonly<Record<string, string>>): string[][] =>
  circles(readCrate(new Map(Object.entries(files))).edges).map((edges) =>
    [...new Set(edges.map(({ from }) => from))].sort(),
  );

describe("circles of imports", () => {
  it.each<[string, Readonly<Record<string, string>>, string[]]>([
    [
      "of two files",
      {
        "main.rs": "mod a; mod b;",
        "a.rs": "use crate::b::B; pub struct A(B);",
        "b.rs": "use crate::a; fn f(_: a::A) {}",
      },
      ["a.rs", "b.rs"],
    ],
    [
      "of three, by a tree with braces, a renamed import and an inline path",
      {
        "lib.rs": "pub mod a; mod b { pub mod c; } mod d;",
        "a.rs": "use crate::{b::{c::{self, X as Y}}, d};",
        "b/c.rs": "pub struct X; fn f() { crate::d::g::<u8>() }",
        "d.rs": "use super::a as first; pub fn g<T>() { first::h() }",
      },
      ["a.rs", "b/c.rs", "d.rs"],
    ],
    [
      "of a parent and its child",
      {
        "main.rs": "mod a;",
        "a/mod.rs": "mod b; pub struct A; fn f() { b::g() }",
        "a/b.rs": "use super::A; pub fn g() {}",
      },
      ["a/b.rs", "a/mod.rs"],
    ],
    [
      "with the root",
      {
        "main.rs": "mod init; fn main() { init::run() } pub fn runtime() {}",
        "init.rs": "pub fn run() { crate::runtime() }",
      },
      ["init.rs", "main.rs"],
    ],
    [
      "through a name that the parent hands on",
      {
        "main.rs": "mod a;",
        "a/mod.rs": "mod b; mod c; pub use b::Thing; pub(crate) use self::c::*;",
        "a/b.rs": "use crate::a::Other; pub struct Thing(Other);",
        "a/c.rs": "use super::Thing; pub struct Other(Box<Thing>);",
      },
      ["a/b.rs", "a/c.rs"],
    ],
    [
      "in a file of another name, and in a function",
      {
        "main.rs": '#[path = "other.rs"] mod a; mod b;',
        "other.rs": "pub fn f() { use crate::b::g; g() }",
        "b.rs": "pub fn g() { crate::a::f() }",
      },
      ["b.rs", "other.rs"],
    ],
  ])("are found: %s", (_, files, expected) => expect(seeded(files)).toEqual([expected]));

  it("are reported apart, with what imports what", () => {
    const files = new Map([
      ["main.rs", "mod a; mod b; mod c; mod d;"],
      ["a.rs", "use crate::b;"],
      ["b.rs", "use crate::a; use crate::c;"],
      ["c.rs", "use crate::d;"],
      ["d.rs", "use crate::c::f;"],
    ]);
    expect(circlesIn(files)).toEqual([
      "a.rs → b.rs (crate::b)\nb.rs → a.rs (crate::a)",
      "c.rs → d.rs (crate::d)\nd.rs → c.rs (crate::c::f)",
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    [
      "tests",
      {
        "main.rs": "mod a; mod b;",
        "a.rs": '#[cfg(test)] use crate::b; #[cfg(test)] #[path = "x_tests.rs"] mod tests; pub fn f() {}',
        "b.rs": "use crate::a; #[cfg(test)] mod tests { use crate::b; }",
      },
    ],
    [
      "comments and text",
      {
        "main.rs": "mod a; mod b;",
        "a.rs": `/* /* */ use crate::b; */ // crate::b::f()\nconst A: &str = "crate::b::f"; const B: &str = r#"" crate::b::f"#;`,
        "b.rs": "fn g<'a>(_: &'a str) -> char { '\"' } use crate::a; const C: char = '\"';",
      },
    ],
    [
      "a declaration and what is handed on",
      { "lib.rs": "pub mod a; pub use a::A;", "a.rs": "pub struct A; pub(crate) fn f() {}" },
    ],
    [
      "what is of another crate",
      {
        "main.rs": "mod tar; mod b;",
        "tar.rs": "use crate::b; use ::b::X;",
        "b.rs": "use ::tar::Archive; fn f() { ::tar::g() }",
      },
    ],
    ["layers", { "main.rs": "mod a; mod b; fn main() { a::f(); b::g() }", "a.rs": "use crate::b;", "b.rs": "" }],
  ])("are none: %s", (_, files) => expect(seeded(files)).toEqual([]));

  it.each(crates)("are none in rust/%s", (crate) => expect(circlesIn(sourcesOf(crate))).toEqual([]));
});

describe("the sources of Rust", () => {
  it.each(crates)("of rust/%s are all part of it, or tests", (crate) => {
    const sources = sourcesOf(crate);
    const { files } = readCrate(sources);
    expect([...sources.keys()].filter((file) => !files.includes(file) && !isTest(file))).toEqual([]);
  });
});
