/**
 * What runs in the test host's namespace: `way-in.ts SOCKET PORT`. Who connects to that unix socket, which no network namespace bounds,
 * is led to that port of the test host's loopback. Port 22 of all of the host's addresses is what guests must not reach.
 */
import { connect, createServer } from "node:net";
import { echoTcp } from "./echo-server.ts";
import { join } from "./join-connections.ts";

const [socket = "", port] = process.argv.slice(2);

createServer((outside) => join(outside, connect(Number(port), "127.0.0.1"))).listen(socket);
echoTcp(22);
console.log("ready");
