import { connect, type Socket } from "node:net";
import { withDeadline } from "./deadline.ts";

/** The longest path of a unix socket on Linux, bytes: `sun_path` of unix(7) without its closing NUL. */
export const MAX_SOCKET_PATH = 107;

/** Connects to a unix socket. Rejects with the system's error (`code` ENOENT, ECONNREFUSED …) or the signal's reason. */
export function connectUnix(
  path: string,
  limits: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<Socket> {
  const socket = connect({ path });
  const connected = new Promise<Socket>((resolve, reject) => {
    const failed = (error: Error): void => reject(error);
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.removeListener("error", failed);
      resolve(socket);
    });
  });
  return withDeadline(
    connected,
    limits,
    (ms) => new Error(`no connection to ${path} within ${ms} ms`),
    () => {
      // A late error of an abandoned socket must find a listener, or it ends the process.
      socket.on("error", () => {});
      socket.destroy();
    },
  );
}

/** The `code` of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}
