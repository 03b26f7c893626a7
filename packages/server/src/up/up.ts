import { detectAccelerator } from "./accelerator.ts";
import { prepareFolders, serverAccount } from "./account.ts";
import { type Binaries, buildBinaries, buildPage, ensureImage } from "./build.ts";
import { ensureDaemon } from "./daemon.ts";
import { rememberUp } from "./environments.ts";
import type { UpOptions } from "./options.ts";
import { cacheFolder, dataPaths } from "./paths.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type RunningServer, runningServer, signInLink, startServer } from "./server-process.ts";

/** `microterm up`: set up what is missing, start daemon and server, print the address. Returns the exit code. */
export async function up(options: UpOptions): Promise<number> {
  const started = performance.now();
  const progress = createProgress();
  const paths = dataPaths(options.data);
  const already = await runningServer(paths);
  if (already !== null) {
    progress.note(`microterm runs already (pid ${already.pid}).`);
    announce(already, await signInLink(already, paths));
    return 0;
  }

  const account = await serverAccount();
  prepareFolders(paths, account);
  const cache = cacheFolder();
  const binaries = await buildBinaries(cache, progress);
  await buildPage(progress);
  const machines =
    options.driver === "process"
      ? null
      : await prepareMachines({ paths, cache, binaries, serverUid: account.uid, progress });
  const args = [
    "serve",
    ...["--data", paths.data],
    ...(machines?.args ?? ["--driver", "process", "--agent", binaries.agent]),
    ...["--templates", "--pool", String(options.pool)],
    ...["--scrollback", String(options.scrollback)],
    ...["--idle-timeout", String(options.idleTimeout), "--ttl", String(options.ttl)],
    ...(process.env.MICROTERM_TEST_FAULTS === "1" ? ["--test-faults"] : []),
  ];
  rememberUp(paths, { daemon: binaries.daemon, image: machines?.image ?? null, args });

  const server = await startServer({
    paths,
    account,
    detach: options.detach,
    args: [...args, "--port", String(options.port)],
  });
  const link = await signInLink(server, paths);
  progress.note(`Ready in ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  announce(server, link);
  if (options.detach) return 0;
  progress.note("Ctrl-C stops the server; environments live on.");
  return foreground(server);
}

interface MachineSetUp {
  readonly paths: ReturnType<typeof dataPaths>;
  readonly cache: string;
  readonly binaries: Binaries;
  readonly serverUid: number;
  readonly progress: Progress;
}

interface Machines {
  readonly image: { readonly path: string; readonly key: string };
  readonly args: readonly string[];
}

/** Image, daemon and accelerator; resolves with the server's arguments for them. */
async function prepareMachines(setUp: MachineSetUp): Promise<Machines> {
  const { paths, cache, binaries, serverUid, progress } = setUp;
  const image = await ensureImage(cache, binaries.agent, progress);
  const daemon = await ensureDaemon({ paths, binary: binaries.daemon, image, serverUid, progress });
  try {
    const verdict = await detectAccelerator(paths, daemon, image.key, progress);
    if (verdict.accelerator === "tcg") {
      progress.note(
        `Guests are emulated, because ${verdict.reason}. Slow, and no security boundary: don't run untrusted code.`,
      );
    }
    const args = [
      ...["--driver", "qemu", "--image", image.key],
      ...["--accelerator", verdict.accelerator, "--accelerator-reason", verdict.reason],
    ];
    return { image, args };
  } finally {
    daemon.close();
  }
}

/** The one line on stdout, and below SSH the command that brings the page to the person's own machine. */
function announce(server: RunningServer, link: string): void {
  process.stdout.write(`${link}\n`);
  const tunnel = sshTunnel(server.url, process.env);
  if (tunnel !== null) process.stderr.write(`From your own machine, first: ${tunnel}\n`);
}

/** `SSH_CONNECTION` is "client port server port" (ssh(1)). */
export function sshTunnel(url: string, env: NodeJS.ProcessEnv): string | null {
  const address = env.SSH_CONNECTION?.split(" ")[2];
  if (address === undefined) return null;
  const { port } = new URL(url);
  return `ssh -L ${port}:127.0.0.1:${port} ${env.USER ?? "you"}@${address}`;
}

async function foreground(server: Awaited<ReturnType<typeof startServer>>): Promise<number> {
  const code = await server.ended;
  const asked = code === 0 || code === 128 + 15 || code === 128 + 2;
  if (!asked)
    process.stderr.write(
      `microterm: the server ended with code ${code}; its environments live on.\n  Try: ./microterm up\n`,
    );
  return asked ? 0 : code;
}
