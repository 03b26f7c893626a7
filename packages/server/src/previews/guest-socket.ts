import { Duplex } from "node:stream";
import type { Abortable, GuestAgent, GuestConnection } from "@microterm/core";

/** A connection to a port of a guest, as a stream of Node's. Either side may end before the other. */
export class GuestSocket extends Duplex {
  #connection: GuestConnection | null = null;

  private constructor() {
    super({ allowHalfOpen: true });
  }

  /** Rejects as `GuestAgent.connect` does. */
  static async connect(agent: GuestAgent, port: number, options: Abortable): Promise<GuestSocket> {
    const socket = new GuestSocket();
    socket.#connection = await agent.connect(
      port,
      {
        data: (bytes) => {
          if (!socket.push(bytes)) socket.#connection?.pause();
        },
        ended: () => socket.push(null),
        // Ended well, it is still to be read to its end.
        closed: (error) => {
          if (error !== undefined) socket.destroy(error);
        },
      },
      options,
    );
    return socket;
  }

  override _read(): void {
    this.#connection?.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error) => void): void {
    const connection = this.#connection;
    if (connection === null || connection.write(bytes)) done();
    else void connection.drained().then(() => done());
  }

  override _final(done: (error?: Error) => void): void {
    if (this.#connection === null) done();
    else void this.#connection.end().then(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection?.close();
    done(error);
  }
}
