/** Writes the generated pages of docs/reference; tests/style/reference.test.ts fails while one is stale. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { renderErrors } from "./errors.ts";
import { renderOpenApi } from "./openapi.ts";

const REFERENCE = resolve(import.meta.dirname, "../../../../docs/reference");

writeFileSync(resolve(REFERENCE, "errors.md"), renderErrors());
writeFileSync(resolve(REFERENCE, "openapi.json"), await renderOpenApi());
