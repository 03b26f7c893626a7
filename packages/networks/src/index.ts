export { createLoopbackNetwork } from "./loopback/loopback-network.ts";
