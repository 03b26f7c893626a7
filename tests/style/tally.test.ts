import { expect, it } from "vitest";
import { cargoFailures, cargoTally } from "../tally.ts";

const OUTPUT = `
     Running tests/typing.rs (target/quick/deps/typing-6cc3)

running 3 tests
test each_key ... ok
test input::is_exact ... FAILED
test ends ... FAILED

failures:

---- input::is_exact stdout ----
thread 'input::is_exact' panicked at agent/tests/typing.rs:77:9:
0 bytes were taken

---- ends stdout ----
in vain

failures:
    ends
    input::is_exact

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 7.49s
`;

it("finds the tests of cargo that failed, and what they printed", () => {
  expect(cargoTally(OUTPUT, 101)).toEqual({ passed: 1, failed: 2, skipped: 0 });
  expect([...cargoFailures(OUTPUT)]).toEqual([
    ["ends", "in vain"],
    ["input::is_exact", "thread 'input::is_exact' panicked at agent/tests/typing.rs:77:9:\n0 bytes were taken"],
  ]);
});

it("finds none where a binary did not build", () => {
  expect(cargoTally("error: could not compile", 101)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(cargoFailures("error: could not compile").size).toBe(0);
});
