import { type QemuServer, startQemuServer } from "../support/qemu-server.ts";
import { startTestHost, type TestHost } from "../support/test-host.ts";

/** A host and an internet of namespaces, and the whole product in that host. */
export interface HostedWorld {
  readonly host: TestHost;
  readonly server: QemuServer;
}

/** `begin` makes what is measured in it. */
export async function openHosted<More extends object>(
  begin: (world: HostedWorld) => Promise<More>,
): Promise<HostedWorld & More> {
  const host = await startTestHost();
  try {
    const server = await startQemuServer({ host });
    try {
      return { host, server, ...(await begin({ host, server })) };
    } catch (error) {
      await server.close();
      throw error;
    }
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Rejects when anything is left of it. */
export async function closeHosted({ host, server }: HostedWorld): Promise<void> {
  try {
    await server.close();
  } finally {
    await host.close();
  }
}
