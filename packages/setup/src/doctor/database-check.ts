import { connect } from "node:net";
import { databasePlace, describePlace } from "@microterm/host";
import { rememberedDatabase } from "../data/database.ts";
import type { DataPaths } from "../data/paths.ts";
import { type Check, fail, ok } from "./check.ts";

const ANSWER_MS = 3000;

/** Whether the host of the database takes connections. What it says to its user is in the server's log. */
export async function databaseCheck(paths: DataPaths): Promise<Check> {
  const url = rememberedDatabase(paths);
  const place = url === null ? null : databasePlace(url);
  if (place === null) return ok("database", "sqlite, in the data folder");
  const shown = `postgresql at ${describePlace(place)}`;
  const { host, port } = place;
  const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
      socket.setTimeout(ANSWER_MS, () => reject(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    });
    return ok("database", shown);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(
      "database",
      `${shown}: ${why}`,
      "start it, or repair the network path to it; the server goes on by itself then",
    );
  } finally {
    socket.destroy();
  }
}
