import { isIPv4 } from "node:net";
import type {
  AuthorizationV1Api,
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  NetworkingV1Api,
  StorageV1Api,
  V1NetworkPolicy,
  V1NetworkPolicySpec,
  V1PersistentVolumeClaim,
  V1Pod,
  V1Preconditions,
  V1Secret,
  VersionApi,
} from "@kubernetes/client-node";
import type { Log } from "@microterm/core";
import { withDeadline } from "@microterm/host";
import { LABELS } from "../pods/labels.ts";
import { apiFailure, refusalOf, type Shortage } from "./api-failure.ts";
import { keepConnections } from "./kept-connections.ts";
import { PodWatch } from "./pod-watch.ts";
import { API_SERVER, type Right } from "./rights.ts";

/** As much of a console as is kept of any machine's. */
const MAX_LOG_BYTES = 65_536;

/** An API server that is up answers within a second; one that hangs keeps nobody. What it was asked for may come to be all the same. */
const CALL_MS = 20_000;
const unanswered = (ms: number): Error => new Error(`no answer within ${ms} ms`);

export interface ClusterPlace {
  /** Null: the server is a pod itself, and has the account of one. */
  readonly kubeConfigFile: string | null;
  readonly namespace: string;
  /** Of the installation's objects. */
  readonly selector: string;
  readonly log: Log;
}

/**
 * What is asked of a cluster, and no more: its rights are exactly these. All reject with `HOST_DAEMON_UNAVAILABLE` when it does not answer,
 * and with a code that fits when it refuses. What is deleted may have gone already.
 */
export class ClusterApi {
  readonly server: string;
  readonly pods: PodWatch;
  readonly #core: CoreV1Api;
  readonly #networking: NetworkingV1Api;
  readonly #storage: StorageV1Api;
  readonly #discovery: DiscoveryV1Api;
  readonly #authorization: AuthorizationV1Api;
  readonly #version: VersionApi;
  readonly #place: ClusterPlace;

  private constructor(kubeConfig: KubeConfig, place: ClusterPlace, library: Library) {
    this.server = kubeConfig.getCurrentCluster()?.server ?? "";
    this.#core = kubeConfig.makeApiClient(library.CoreV1Api);
    this.#networking = kubeConfig.makeApiClient(library.NetworkingV1Api);
    this.#storage = kubeConfig.makeApiClient(library.StorageV1Api);
    this.#discovery = kubeConfig.makeApiClient(library.DiscoveryV1Api);
    this.#authorization = kubeConfig.makeApiClient(library.AuthorizationV1Api);
    this.#version = kubeConfig.makeApiClient(library.VersionApi);
    this.#place = place;
    const { namespace, selector, log } = place;
    this.pods = new PodWatch({
      ...{ kubeConfig, namespace, selector, log },
      makeInformer: library.makeInformer,
      list: () => this.#answered(this.#core.listNamespacedPod({ namespace, labelSelector: selector })),
    });
  }

  /** The library takes 0.7 s and 75 MB: it is loaded here, where a cluster is asked for. */
  static async connect(place: ClusterPlace): Promise<ClusterApi> {
    const library = await import("@kubernetes/client-node");
    const kubeConfig = new library.KubeConfig();
    if (place.kubeConfigFile === null) kubeConfig.loadFromCluster();
    else kubeConfig.loadFromFile(place.kubeConfigFile);
    keepConnections(kubeConfig);
    const api = new ClusterApi(kubeConfig, place, library);
    await api.pods.start();
    return api;
  }

  createPod(body: V1Pod): Promise<V1Pod> {
    return this.#call(this.#core.createNamespacedPod({ ...this.#in, body }));
  }

  /** Rejects like `createPod`, and makes none. */
  async tryPod(body: V1Pod): Promise<void> {
    await this.#call(this.#core.createNamespacedPod({ ...this.#in, body, dryRun: "All" }));
  }

  /** `v1.34.4`. */
  async version(): Promise<string> {
    return (await this.#call(this.#version.getCode())).gitVersion;
  }

  /** Everybody may ask that of themselves. */
  async may({ group, resource, subresource, scope, name }: Right, verb: string): Promise<boolean> {
    const place = scope === "namespace" ? this.#in : {};
    const resourceAttributes = {
      ...place,
      group,
      resource,
      verb,
      ...(subresource === undefined ? {} : { subresource }),
      ...(name === undefined ? {} : { name }),
    };
    const body = { spec: { resourceAttributes } };
    return (await this.#call(this.#authorization.createSelfSubjectAccessReview({ body }))).status?.allowed === true;
  }

  getPod(name: string): Promise<V1Pod | null> {
    return this.#unlessGone(this.#core.readNamespacedPod({ ...this.#in, name }));
  }

  listPods(): Promise<readonly V1Pod[]> {
    return this.listPodsOf(this.#place.selector);
  }

  listPodsOfEnvironment(id: string): Promise<readonly V1Pod[]> {
    return this.listPodsOf(`${this.#place.selector},${LABELS.environment}=${id}`);
  }

  /** Lets the scheduler have a pod that waited at its gate. */
  openGate(name: string): Promise<V1Pod> {
    const body = [{ op: "remove", path: "/spec/schedulingGates" }];
    return this.#call(this.#core.patchNamespacedPod({ ...this.#in, name, body }));
  }

  /** False where it is another than it was, or has been changed. */
  deletePod(name: string, was: Revision, graceSeconds: number): Promise<boolean> {
    const body = { gracePeriodSeconds: graceSeconds, preconditions: preconditionsOf(was) };
    return this.#unlessChanged(this.#core.deleteNamespacedPod({ ...this.#in, name, body }));
  }

  /** False where it has been changed. */
  annotatePod(name: string, was: Revision, annotations: Annotations): Promise<boolean> {
    const body = annotation(was, annotations);
    return this.#unlessChanged(this.#core.patchNamespacedPod({ ...this.#in, name, body }));
  }

  async podLog(name: string): Promise<string> {
    const asked = this.#core.readNamespacedPodLog({ ...this.#in, name, container: "environment", tailLines: 1000 });
    return ((await this.#unlessGone(asked)) ?? "").slice(-MAX_LOG_BYTES);
  }

  async createSecret(body: V1Secret): Promise<void> {
    await this.#call(this.#core.createNamespacedSecret({ ...this.#in, body }));
  }

  async deleteSecret(name: string): Promise<void> {
    await this.#unlessGone(this.#core.deleteNamespacedSecret({ ...this.#in, name }));
  }

  async createPolicy(body: V1NetworkPolicy): Promise<void> {
    await this.#call(this.#networking.createNamespacedNetworkPolicy({ ...this.#in, body }));
  }

  /**
   * Rejects where it has not these annotations. A field that the cluster does not know is refused: one that it dropped could open the pod.
   */
  async changePolicy(name: string, spec: V1NetworkPolicySpec, annotations: Annotations): Promise<void> {
    const tests = Object.entries(annotations).map(([key, value]) => ({ op: "test", path: annotationPath(key), value }));
    const body = [...tests, { op: "replace", path: "/spec", value: inJson(spec) }];
    await this.#call(
      this.#networking.patchNamespacedNetworkPolicy({ ...this.#in, name, body, fieldValidation: "Strict" }),
    );
  }

  /** False where it has been changed. */
  annotatePolicy(name: string, was: Revision, annotations: Annotations): Promise<boolean> {
    const body = annotation(was, annotations);
    return this.#unlessChanged(this.#networking.patchNamespacedNetworkPolicy({ ...this.#in, name, body }));
  }

  /** There is no right to get one: it is listed. */
  async getPolicy(name: string): Promise<V1NetworkPolicy | null> {
    const fieldSelector = `metadata.name=${name}`;
    const asked = this.#networking.listNamespacedNetworkPolicy({ ...this.#in, fieldSelector });
    return (await this.#call(asked)).items[0] ?? null;
  }

  async deletePolicy(name: string): Promise<void> {
    await this.#unlessGone(this.#networking.deleteNamespacedNetworkPolicy({ ...this.#in, name }));
  }

  /** Null: there is one of that name. */
  async createClaim(body: V1PersistentVolumeClaim): Promise<V1PersistentVolumeClaim | null> {
    try {
      return await this.#answered(this.#core.createNamespacedPersistentVolumeClaim({ ...this.#in, body }));
    } catch (error) {
      if (refusalOf(error)?.code === 409) return null;
      throw apiFailure(error, "HOST_OUT_OF_DISK");
    }
  }

  /** What the cluster would make of it. Rejects like `createClaim`, and makes none. */
  tryClaim(body: V1PersistentVolumeClaim): Promise<V1PersistentVolumeClaim> {
    const asked = this.#core.createNamespacedPersistentVolumeClaim({ ...this.#in, body, dryRun: "All" });
    return this.#call(asked, "HOST_OUT_OF_DISK");
  }

  getClaim(name: string): Promise<V1PersistentVolumeClaim | null> {
    return this.#unlessGone(this.#core.readNamespacedPersistentVolumeClaim({ ...this.#in, name }));
  }

  async listClaims(labelSelector: string): Promise<readonly V1PersistentVolumeClaim[]> {
    return (await this.#call(this.#core.listNamespacedPersistentVolumeClaim({ ...this.#in, labelSelector }))).items;
  }

  async deleteClaim(name: string): Promise<void> {
    await this.#unlessGone(this.#core.deleteNamespacedPersistentVolumeClaim({ ...this.#in, name }));
  }

  /** Rejects where there is none of that name. Without the right to look it may be there. */
  async assertStorageClass(name: string): Promise<void> {
    try {
      await this.#answered(this.#storage.readStorageClass({ name }));
    } catch (error) {
      if (refusalOf(error)?.code !== 403) throw apiFailure(error);
    }
  }

  /** What the cluster has last complained of about a claim; null: nothing. */
  async lastWarningOf(claim: string): Promise<string | null> {
    const fieldSelector = `involvedObject.kind=PersistentVolumeClaim,involvedObject.name=${claim},type=Warning`;
    const { items } = await this.#call(this.#core.listNamespacedEvent({ ...this.#in, fieldSelector }));
    const at = ({ lastTimestamp, eventTime }: (typeof items)[number]) => (lastTimestamp ?? eventTime)?.getTime() ?? 0;
    const [last] = items.sort((one, other) => at(other) - at(one));
    return last === undefined ? null : `${last.reason ?? ""}: ${last.message ?? ""}`;
  }

  /** Of whatever installation. */
  async listPodsOf(selector: string): Promise<readonly V1Pod[]> {
    return (await this.#call(this.#core.listNamespacedPod({ ...this.#in, labelSelector: selector }))).items;
  }

  /** Of the kernel that a node has booted; null without the right to look, or when there is no such node. */
  async nodeBootId(name: string): Promise<string | null> {
    try {
      return (await this.#answered(this.#core.readNode({ name }))).status?.nodeInfo?.bootID ?? null;
    } catch (error) {
      if ([403, 404].includes(refusalOf(error)?.code ?? 0)) return null;
      throw apiFailure(error);
    }
  }

  /** IPv4 addresses of all nodes; null without the right to list them. */
  async nodeAddresses(): Promise<readonly string[] | null> {
    try {
      // As the API server has them in its memory.
      const { items } = await this.#answered(this.#core.listNode({ resourceVersion: "0" }));
      return items.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)).filter(isIPv4);
    } catch (error) {
      if (refusalOf(error)?.code === 403) return null;
      throw apiFailure(error);
    }
  }

  /** IPv4 addresses at which the API server itself listens, whatever is in front of it; null without the right to look. */
  async serverAddresses(): Promise<readonly string[] | null> {
    try {
      const asked = this.#discovery.readNamespacedEndpointSlice({ namespace: "default", name: API_SERVER });
      return ((await this.#answered(asked)).endpoints ?? []).flatMap(({ addresses }) => addresses).filter(isIPv4);
    } catch (error) {
      if (refusalOf(error)?.code === 403) return null;
      // A cluster that publishes none has no more to say.
      if (refusalOf(error)?.code === 404) return [];
      throw apiFailure(error);
    }
  }

  close(): void {
    this.pods.close();
  }

  get #in() {
    return { namespace: this.#place.namespace };
  }

  async #unlessGone<T>(answer: Promise<T>): Promise<T | null> {
    try {
      return await this.#answered(answer);
    } catch (error) {
      if (refusalOf(error)?.code === 404) return null;
      throw apiFailure(error);
    }
  }

  /** False where it was to be another, or has gone. */
  async #unlessChanged(answer: Promise<unknown>): Promise<boolean> {
    try {
      await this.#answered(answer);
      return true;
    } catch (error) {
      if ([404, 409].includes(refusalOf(error)?.code ?? 0)) return false;
      throw apiFailure(error);
    }
  }

  async #call<T>(answer: Promise<T>, ofQuota?: Shortage): Promise<T> {
    try {
      return await this.#answered(answer);
    } catch (error) {
      throw apiFailure(error, ofQuota);
    }
  }

  #answered<T>(answer: Promise<T>): Promise<T> {
    return withDeadline(answer, { timeoutMs: CALL_MS }, unanswered);
  }
}

/** As the API has it: patches are sent as they are, without the library's own names for words of the language. */
function inJson({ ingress, ...spec }: V1NetworkPolicySpec): object {
  return { ...spec, ingress: ingress?.map(({ _from, ...rule }) => ({ ...rule, from: _from })) };
}

/** An object as it was read. */
export type Revision = Pick<V1Pod, "metadata">;
type Annotations = Readonly<Record<string, string>>;

/** RFC 6901. */
const annotationPath = (key: string): string =>
  `/metadata/annotations/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;

function preconditionsOf({ metadata }: Revision): V1Preconditions {
  const { uid, resourceVersion } = metadata ?? {};
  return { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
}

function annotation({ metadata }: Revision, annotations: Annotations): readonly unknown[] {
  return [
    // Refused where it is another by now.
    { op: "replace", path: "/metadata/resourceVersion", value: metadata?.resourceVersion },
    { op: "add", path: "/metadata/annotations", value: { ...metadata?.annotations, ...annotations } },
  ];
}

type Library = typeof import("@kubernetes/client-node");
