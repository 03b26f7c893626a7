/** Where a PostgreSQL is and which database of it is meant: all that is shown of a URL, which may have a password. */
export interface DatabasePlace {
  /** A name, an address, or the folder of a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly name: string;
}

const DEFAULT_PORT = 5432;

/** Of `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?host=FOLDER` (libpq, 34.1.1.2 Connection URIs); null: it is no such URL. */
export function databasePlace(text: string): DatabasePlace | null {
  if (!/^postgres(?:ql)?:\/\//.test(text)) return null;
  let url: URL;
  try {
    // A host may be left out, which URLs of other kinds have after a user.
    url = new URL(text.replace(/^([a-z]+:\/\/(?:[^/@?]*@)?)(?=[/?:]|$)/, "$1localhost"));
    const host = url.searchParams.get("host") ?? decodeURIComponent(url.hostname);
    const port = Number(url.searchParams.get("port") ?? (url.port || DEFAULT_PORT));
    const name = decodeURIComponent(url.pathname.slice(1)) || decodeURIComponent(url.username);
    return name === "" || !Number.isInteger(port) ? null : { host, port, name };
  } catch {
    return null;
  }
}

export const describePlace = ({ host, port, name }: DatabasePlace): string =>
  host.startsWith("/") ? `${host}, port ${port}, database ${name}` : `${host}:${port}, database ${name}`;
