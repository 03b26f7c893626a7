export type * from "./ports/clock.ts";
export type * from "./ports/guest-agent.ts";
export type * from "./ports/network.ts";
export type * from "./ports/repository.ts";
export type * from "./ports/vm-driver.ts";
