import type { Informer, KubeConfig, ObjectCache, V1Pod } from "@kubernetes/client-node";
import type { Log } from "@microterm/core";

/** Before a watch that has failed is begun again, ms. */
const AGAIN_MS = 1000;

export type PodListener = (pod: V1Pod | null) => void;
type PodInformer = Informer<V1Pod> & ObjectCache<V1Pod>;

export interface PodWatchOptions {
  readonly makeInformer: typeof import("@kubernetes/client-node").makeInformer;
  readonly kubeConfig: KubeConfig;
  readonly namespace: string;
  readonly selector: string;
  readonly list: Parameters<typeof import("@kubernetes/client-node").makeInformer<V1Pod>>[2];
  readonly log: Log;
}

/** The installation's pods as the cluster tells of them, without asking. */
export class PodWatch {
  readonly #informer: PodInformer;
  readonly #options: PodWatchOptions;
  readonly #listeners = new Map<string, Set<PodListener>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #errors = 0;
  #problem: string | null = "the cluster has not been asked for its pods yet";

  constructor(options: PodWatchOptions) {
    this.#options = options;
    const path = `/api/v1/namespaces/${options.namespace}/pods`;
    this.#informer = options.makeInformer(options.kubeConfig, path, options.list, options.selector);
    this.#informer.on("add", (pod) => this.#tell(lean(pod), pod));
    this.#informer.on("update", (pod) => this.#tell(lean(pod), pod));
    this.#informer.on("delete", (pod) => this.#tell(pod, null));
    // It stops at an error; each start compares with what there is.
    this.#informer.on("error", (error) => this.#startAgain(error));
  }

  /** Why the cluster is not followed now, for a person; null: it is. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Resolves once the pods are known, or the cluster could not be asked: that is tried again. */
  async start(): Promise<void> {
    const before = this.#errors;
    await this.#informer.start();
    if (this.#errors === before) this.#problem = null;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    void this.#informer.stop();
  }

  get(name: string): V1Pod | undefined {
    return this.#informer.get(name, this.#options.namespace);
  }

  /** Calls back with each state of the pod from now on; null: it has gone. Answers what ends that. */
  follow(name: string, listener: PodListener): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name);
    };
  }

  #tell({ metadata }: V1Pod, state: V1Pod | null): void {
    for (const listener of [...(this.#listeners.get(metadata?.name ?? "") ?? [])]) listener(state);
  }

  #startAgain(error: unknown): void {
    if (this.#isClosed) return;
    this.#errors += 1;
    this.#problem = error instanceof Error ? error.message : String(error);
    this.#options.log.warn("the watch of pods has ended and is begun again", { error: this.#problem });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.start(), AGAIN_MS);
  }
}

/** The informer keeps the pod as it is: without what tells who wrote which field, which is half of it. */
function lean(pod: V1Pod): V1Pod {
  delete pod.metadata?.managedFields;
  return pod;
}
