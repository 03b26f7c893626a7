import type { TestProject } from "vitest/node";
import { startPostgres } from "./postgres-cluster.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Of the run's PostgreSQL, for the projects that have it. */
    readonly postgres: string;
  }
}

/** For vitest's `globalSetup`: one PostgreSQL for all files of a project. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await startPostgres();
  project.provide("postgres", cluster.url("postgres"));
  return () => cluster.remove();
}
