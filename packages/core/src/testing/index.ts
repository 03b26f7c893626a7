export { storageContract } from "./storage-contract.ts";
