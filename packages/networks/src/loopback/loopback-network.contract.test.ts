import { networkContract } from "@microterm/core/testing";
import { createLoopbackNetwork } from "./loopback-network.ts";

networkContract("loopback", () => Promise.resolve(createLoopbackNetwork()));
