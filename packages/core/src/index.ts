export {
  type ActingAccount,
  type Actor,
  actorOf,
  type Origin,
  type Reader,
  type SignInFacts,
  SYSTEM,
} from "./access/actor.ts";
export { ACTIONS, type Action, authorize, can, type TerminalRole } from "./access/authorize.ts";
export { clientNetworkOf } from "./access/client-network.ts";
export { type Principal, sharedRoleOf } from "./access/principal.ts";
export type * from "./accounts/account-service.ts";
export { type OpenAttempts, openAttempts, sweepAttempts } from "./accounts/attempts.ts";
export { type CodeLimit, createCodeLimit } from "./accounts/code-limit.ts";
export { createAccountService } from "./accounts/create-account-service.ts";
export type { ProvenIdentity, ProviderRules } from "./accounts/provider-rules.ts";
export { firstIdOf } from "./audit/audit-ids.ts";
export type * from "./audit/audit-log.ts";
export { byOf } from "./audit/audit-log.ts";
export { createAuditLog } from "./audit/create-audit-log.ts";
export { createCredentialService } from "./credentials/create-credential-service.ts";
export * from "./credentials/credential-service.ts";
export { createEnvironmentService } from "./environments/service/create-environment-service.ts";
export * from "./environments/service/environment-service.ts";
export type { BegunGuestAct, GuestAct } from "./environments/service/guest-acts.ts";
export { RESTING } from "./environments/state/at-rest.ts";
export type { Change, ChangeListener } from "./environments/state/changes.ts";
export { Turns } from "./environments/turns/turns.ts";
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
export * from "./ports/fleet.ts";
export type * from "./ports/guest-agent.ts";
export type * from "./ports/name-server.ts";
export type * from "./ports/network.ts";
export type { Observer, OperationReport } from "./ports/observer.ts";
export type * from "./ports/passwords.ts";
export type * from "./ports/repositories/account-repository.ts";
export type * from "./ports/repositories/audit-repository.ts";
export type * from "./ports/repositories/identity-repository.ts";
export type * from "./ports/repositories/kept-repository.ts";
export type * from "./ports/repositories/share-repository.ts";
export type * from "./ports/repository.ts";
export type * from "./ports/vm-driver.ts";
export { GuestNeverRan, LOCAL_HOST } from "./ports/vm-driver.ts";
export { createPreviewService } from "./previews/create-preview-service.ts";
export type * from "./previews/preview-service.ts";
export { createQuotaService, type QuotaService, type RecordingRoom } from "./quotas/quota-service.ts";
export {
  assertOne,
  assertRoom,
  isUnlimited,
  leftOf,
  type Spending,
  spendingOfCreate,
  spendingOfStart,
  spendingOfTransfer,
} from "./quotas/room.ts";
export { dayOf, msOfDay, secondsByDay } from "./quotas/running-time.ts";
export { createSharingService } from "./sharing/create-sharing-service.ts";
export type * from "./sharing/sharing-service.ts";
export { isAsking } from "./sharing/view.ts";
