import fc from "fast-check";
import { expect, it } from "vitest";
import { problemPage, wantsPage } from "./problem-page.ts";

const PROBLEM = {
  ...{
    type: "urn:microterm:error:x",
    title: "Forbidden host",
    status: 421,
    instance: "urn:x",
    code: "FORBIDDEN_HOST" as const,
  },
  ...{ hint: "Do this.", retryable: false },
};

it("is for requests from a browser", () => {
  const accept = "text/html,application/xhtml+xml,*/*;q=0.8";
  expect(wantsPage({ method: "GET", url: "/", headers: { accept } })).toBe(true);
  for (const other of [{}, { accept: "*/*" }, { accept: "application/json" }, { accept: "text/event-stream" }]) {
    expect(wantsPage({ method: "GET", url: "/", headers: other })).toBe(false);
  }
  expect(wantsPage({ method: "POST", url: "/", headers: { accept } })).toBe(false);
  for (const url of ["/v1", "/v1/environments", "/assets/none.js"]) {
    expect([url, wantsPage({ method: "GET", url, headers: { accept } })]).toEqual([url, false]);
  }
});

it("shows a command by itself, and nothing of a message as markup", () => {
  expect(problemPage({ ...PROBLEM, detail: "No. Start it with: ./microterm up --allow-host a:1" })).toContain(
    "<code>./microterm up --allow-host a:1</code>",
  );
  const bare = problemPage({ ...PROBLEM, detail: "a" }).match(/[<>"']/g)?.length;
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("<", ">", '"', "'", "&", "a", " "), minLength: 1 }), (detail) => {
      expect(problemPage({ ...PROBLEM, detail }).match(/[<>"']/g)).toHaveLength(bare ?? 0);
    }),
  );
});
