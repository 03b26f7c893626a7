export { createCredentialService } from "./credentials/create-credential-service.ts";
export * from "./credentials/credential-service.ts";
export type { Change, ChangeListener } from "./environments/changes.ts";
export { createEnvironmentService } from "./environments/create-environment-service.ts";
export * from "./environments/environment-service.ts";
export * from "./environments/faults.ts";
export {
  environmentIdOfKey,
  type IdempotencyOptions,
  type IdempotentAnswer,
  type IdempotentRequest,
  idempotent,
} from "./idempotency/idempotent.ts";
export type * from "./ports/abortable.ts";
export type * from "./ports/clock.ts";
export type * from "./ports/guest-agent.ts";
export type * from "./ports/network.ts";
export { NeverRan } from "./ports/never-ran.ts";
export type * from "./ports/repository.ts";
export type * from "./ports/vm-driver.ts";
