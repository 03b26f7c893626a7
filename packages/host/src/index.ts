export { type CommandOptions, type CommandResult, commandRunner, runCommand } from "./command.ts";
export type { HostAnswer, HostCode, HostMachine, VmmName } from "./daemon/daemon-answers.ts";
export { type DaemonCall, hostCodeOf } from "./daemon/daemon-connection.ts";
export {
  type AttachedSlot,
  createHostDaemonClient,
  type HostDaemonClient,
  type LaunchArgs,
  type LaunchMemory,
  type LimitArgs,
  launchedBy,
  type SlotAdmission,
  type SlotPolicy,
  type SlotRule,
} from "./daemon/host-daemon-client.ts";
export { type DatabasePlace, databasePlace, describePlace } from "./database-place.ts";
export { DEADLINE_FACTOR, type Limits, pause, withDeadline } from "./deadline.ts";
export { lastWords } from "./last-words.ts";
export { type Launched, runInteractive, spawnDetached, spawnForeground } from "./launch.ts";
export { readHostSpace } from "./process/host-memory.ts";
export { findAllMarked, findMarked, findTree, isRunning, killTree, startMarked } from "./process/marked-process.ts";
export { findHolders } from "./process/path-holders.ts";
export { type ProcessEntry, readProcess } from "./process/proc-table.ts";
export { defaultDataFolder, VERSION } from "./product.ts";
export { connectQmp, type QmpClient, type QmpEvent } from "./qmp/qmp-client.ts";
export { openIdentity } from "./tls/identity.ts";
export { createKeyPair, fingerprintOf, type KeyPair, toPem } from "./tls/key-pair.ts";
export { connectPinned } from "./tls/pinned-connection.ts";
export { connectUnix, MAX_SOCKET_PATH, systemCode } from "./unix-socket.ts";
