export * from "./options.ts";
export * from "./overcommit.ts";
