export * from "./duration.ts";
export * from "./environment.ts";
export * from "./errors.ts";
export * from "./files.ts";
export * from "./frames.ts";
export * from "./host.ts";
export * from "./ids.ts";
export * from "./problem.ts";
