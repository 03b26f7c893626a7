export { createLoopbackNetwork } from "./loopback/loopback-network.ts";
export { createSlotNetwork } from "./slots/slot-network.ts";
