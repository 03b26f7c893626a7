export * from "./listen.ts";
export * from "./options.ts";
export * from "./overcommit.ts";
