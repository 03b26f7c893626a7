/** Writes the generated page of docs/reference; tests/style/reference.test.ts fails while it is stale. The OpenAPI document is made when it is asked for. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { renderErrors } from "./errors.ts";

const REFERENCE = resolve(import.meta.dirname, "../../../../docs/reference");

writeFileSync(resolve(REFERENCE, "errors.md"), renderErrors());
