/** What finding out who asks adds to a request, and how long a sign-in by password takes; with the floor beside it: a public call, and the hash alone. */
import { createPasswords } from "../packages/server/src/auth/passwords.ts";
import { invite, openBrowser, PASSWORD } from "../support/people.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";
import { asker, timed } from "./preview.ts";

const REQUESTS = 2000;
const WARM_REQUESTS = 200;
const SIGN_INS = 50;
const NAME = "somebody";

interface World {
  readonly server: TestServer;
  readonly session: Readonly<Record<string, string>>;
}

async function open(): Promise<World> {
  const server = await startServer();
  return { server, session: (await invite(server, NAME)).headers };
}

export const SIGN_IN = createGroup<World>({
  open,
  close: ({ server }) => server.dispose(),
  benchmarks: {
    async "sign-in"({ server, session }) {
      const [known, anyone] = [asker(server.port, session), asker(server.port)];
      const times: { known: number[]; anyone: number[] } = { known: [], anyone: [] };
      for (let at = 0; at < WARM_REQUESTS + REQUESTS; at++) {
        const [one, other] = [await timed(() => known("/v1/session")), await timed(() => anyone("/v1/sign-in"))];
        if (at < WARM_REQUESTS) continue;
        times.known.push(one);
        times.anyone.push(other);
      }
      const passwords = createPasswords();
      const hash = await passwords.hash(PASSWORD);
      const signIns: { server: number[]; hash: number[] } = { server: [], hash: [] };
      const browser = openBrowser(server);
      for (let at = 0; at < SIGN_INS; at++) {
        signIns.server.push(
          await timed(async () => {
            const { status } = await browser.call("POST", "/v1/session", { name: NAME, password: PASSWORD });
            if (status !== 200) throw new Error(`the sign-in was answered with ${status}`);
          }),
        );
        signIns.hash.push(
          await timed(async () => {
            await passwords.verify(hash, PASSWORD, true);
          }),
        );
      }
      return [
        {
          name: `a request with a session, p50 / p99 of ${REQUESTS}`,
          figure: spread(times.known),
          floor: `${spread(times.anyone)} a public one`,
          ratio: signed(median(times.known) - median(times.anyone)),
          target: "p50 ≤ 0.2 ms above",
        },
        {
          name: `a sign-in by password, p50 / p99 of ${SIGN_INS}`,
          figure: spread(signIns.server),
          floor: `${spread(signIns.hash)} argon2id alone`,
          ratio: signed(median(signIns.server) - median(signIns.hash)),
          target: "≤ 300 ms",
        },
      ];
    },
  },
});
