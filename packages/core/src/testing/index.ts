export { accountRow } from "./account-row.ts";
export { auditLogOf } from "./audit/audit-log.ts";
export { auditRow } from "./audit/audit-row.ts";
export { type ContractSkip, contractSuite } from "./contract-checks.ts";
export { environmentRow } from "./environment-row.ts";
export { attachTo, type OpenedTerminal, runInGuest } from "./guest-recorder.ts";
export { holderContract } from "./holder-contract.ts";
export { networkContract } from "./network-contract.ts";
export {
  createRecordingDriver,
  type RecordedMachine,
  type RecordingDriverOptions,
} from "./recording/recording-driver.ts";
export { createRecordingNetwork } from "./recording/recording-network.ts";
export { storageContract } from "./storage/storage-contract.ts";
export { silentLog, systemClock, systemRandom } from "./system.ts";
export { type VmDriverHarness, vmDriverContract } from "./vm-driver-contract.ts";
