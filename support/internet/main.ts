/** What runs in the internet's namespace: `main.ts FOLDER`, with what makeSites has written there. */
import { echoTcp, echoUdp } from "./echo-server.ts";
import { serveNames } from "./name-server.ts";
import { ADDRESSES, ECHO_PORT, NAME_SERVER } from "./places.ts";
import { serveSites } from "./web-server.ts";

serveNames(NAME_SERVER);
echoTcp(ECHO_PORT);
echoUdp(ECHO_PORT, ADDRESSES);
serveSites(process.argv[2] as string);
console.log("ready");
