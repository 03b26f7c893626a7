import type { Timing } from "../backoff.ts";
import type { OpenSocket, SocketLike } from "../socket.ts";

/** A clock that moves when told to. */
export class ManualTiming implements Timing {
  time = 0;
  fraction = 0;
  #timers = new Map<number, { at: number; action: () => void }>();
  #next = 0;

  now(): number {
    return this.time;
  }

  random(): number {
    return this.fraction;
  }

  after(ms: number, action: () => void): () => void {
    const id = this.#next++;
    this.#timers.set(id, { at: this.time + ms, action });
    return () => this.#timers.delete(id);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass, with every timer that falls due on the way. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].action();
    }
    this.time = end;
  }
}

/** The far end of a socket in a test's hand. */
export class ScriptedSocket implements SocketLike {
  binaryType = "blob";
  readyState = 0;
  bufferedAmount = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: Uint8Array[] = [];
  readonly url: string;
  isPaused = false;
  closedWith: number | null = null;

  constructor(url: string) {
    this.url = url;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(data);
  }

  close(code?: number): void {
    if (this.readyState >= 2) return;
    this.readyState = 3;
    this.closedWith = code ?? 1005;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({} as never);
  }

  deliver(message: Uint8Array): void {
    this.onmessage?.({ data: message.slice().buffer } as never);
  }

  break(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason } as never);
  }
}

/** Opens scripted sockets and remembers them in order. */
export function scriptedSockets(): { readonly open: OpenSocket; readonly opened: ScriptedSocket[] } {
  const opened: ScriptedSocket[] = [];
  return {
    opened,
    open: (url) => {
      const socket = new ScriptedSocket(url);
      opened.push(socket);
      return socket;
    },
  };
}
