import { networkContract } from "../network-contract.ts";
import { createRecordingNetwork } from "./recording-network.ts";

networkContract("recording", () => Promise.resolve(createRecordingNetwork()));
