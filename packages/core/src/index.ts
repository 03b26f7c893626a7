export { type Actor, type ActorRole, actorOf } from "./access/actor.ts";
export { type Action, authorize, type TerminalRole } from "./access/authorize.ts";
export { createCredentialService } from "./credentials/create-credential-service.ts";
export * from "./credentials/credential-service.ts";
export { createEnvironmentService } from "./environments/service/create-environment-service.ts";
export * from "./environments/service/environment-service.ts";
export type { Change, ChangeListener } from "./environments/state/changes.ts";
export {
  environmentIdOfKey,
  type IdempotencyOptions,
  type IdempotentAnswer,
  type IdempotentRequest,
  idempotent,
} from "./idempotency/idempotent.ts";
export {
  createDriverRegistry,
  type DriverRegistry,
  type DriverRegistryOptions,
} from "./machines/driver-registry.ts";
export * from "./machines/faults.ts";
export type { EnvironmentLimits } from "./machines/limits.ts";
export type * from "./ports/abortable.ts";
export type * from "./ports/clock.ts";
export type * from "./ports/guest-agent.ts";
export { GuestNeverRan } from "./ports/guest-never-ran.ts";
export type * from "./ports/name-server.ts";
export type * from "./ports/network.ts";
export type { Observer, OperationReport } from "./ports/observer.ts";
export type * from "./ports/repository.ts";
export type * from "./ports/vm-driver.ts";
export { LOCAL_HOST } from "./ports/vm-driver.ts";
export { createPreviewService } from "./previews/create-preview-service.ts";
export type * from "./previews/preview-service.ts";
