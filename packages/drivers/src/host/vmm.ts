import type { AgentLinkOptions } from "@microterm/agent-client";
import type { HostAnswer, VmmName } from "@microterm/host";
import type { Monitor, MonitorOptions } from "./monitor/monitor.ts";

/** What a VMM takes besides its guest's memory, as microterm-host tells it. */
export type Overhead = HostAnswer<"machine.overhead">["tcg"];

/** What sets one VMM of microterm-host apart from the others; all else of their drivers lies in this folder. */
export interface Vmm {
  /** The driver's name, and the VMM's own in what the daemon is told. */
  readonly name: VmmName;
  /** As its makers write it. */
  readonly title: string;
  /** The name of the socket, in a machine's folder, that its monitor connects to. */
  readonly monitorSocket: string;
  readonly createMonitor: (options: MonitorOptions) => Monitor;
  /** How the channel to a guest's agent is opened; as AgentLink does by default where it says nothing. */
  readonly channel: Pick<AgentLinkOptions, "retriesAtOnce" | "attemptMs">;
  /** Its part of the daemon's answer; undefined where the daemon does not know this VMM. */
  readonly overheadOf: (answer: HostAnswer<"machine.overhead">, accelerator: "tcg" | "kvm") => Overhead | undefined;
}
