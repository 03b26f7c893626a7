import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { ERRORS } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { renderErrors } from "../../packages/server/src/docs/errors.ts";
import { renderOpenApi } from "../../packages/server/src/docs/openapi.ts";

const page = (name: string) => readFileSync(resolve(import.meta.dirname, "../../docs/reference", name), "utf8");
const REMEDY = "stale: run node packages/server/src/docs/render.ts";

describe("the generated reference", () => {
  it("has every error of the table and no other", () => {
    expect(page("errors.md"), REMEDY).toBe(renderErrors());
    const documented = [...page("errors.md").matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
    expect(documented).toEqual(Object.keys(ERRORS));
  });
});

describe("the document at /openapi.json", () => {
  it("describes every route as OpenAPI 3.1, with its errors", async () => {
    const document = JSON.parse(await renderOpenApi(null));
    expect(document.openapi).toMatch(/^3\.1\./);
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path as object));
    expect(operations.length).toBeGreaterThan(25);
    for (const operation of operations) expect(operation.summary, JSON.stringify(operation).slice(0, 200)).toBeTruthy();
    expect(document.paths["/v1/environments"].post.responses.default.content).toHaveProperty([
      "application/problem+json",
    ]);
  });
});
