/** For vitest's `setupFiles`: a file's worlds are databases of the run's PostgreSQL, and go with it. */
import { afterAll, inject } from "vitest";
import { dropTestDatabases, usePostgres } from "./test-database.ts";

usePostgres(inject("postgres"));
afterAll(dropTestDatabases);
