import type { KubeConfig, RequestContext } from "@kubernetes/client-node";

/** What it is made of, the authority's certificate among others, may be another afterwards: files are read again. */
const KEPT_MS = 60_000;

/** Has a configuration's clients share their connections: by itself the library opens one for each call, whose handshake takes longer than the call. */
export function keepConnections(kubeConfig: KubeConfig): void {
  const apply = kubeConfig.applySecurityAuthentication.bind(kubeConfig);
  let kept: ReturnType<RequestContext["getDispatcher"]>;
  let until = 0;
  kubeConfig.applySecurityAuthentication = async (context) => {
    await apply(context);
    if (performance.now() >= until) {
      kept = context.getDispatcher();
      until = performance.now() + KEPT_MS;
    }
    if (kept !== undefined) context.setDispatcher(kept);
  };
}
