export { AgentLink, type AgentLinkOptions } from "./agent-link.ts";
export { openResynced } from "./channel/resync.ts";
