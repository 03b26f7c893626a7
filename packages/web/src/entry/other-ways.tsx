import type { SignInWays } from "@microterm/protocol";
import { buttonClass } from "../parts/button.tsx";
import { Plain } from "../parts/plain.tsx";

export interface ProviderButtonProps {
  readonly provider: NonNullable<SignInWays["oidc"]>;
  /** Where to go then: a path of this page. */
  readonly to: string;
  /** In a tab of its own, so that this one stays as it is. */
  readonly isApart?: boolean;
}

/** To the provider that people sign in at. */
export const ProviderButton = ({ provider, to, isApart = false }: ProviderButtonProps) => (
  <a
    href={`/v1/sign-in/oidc?return=${encodeURIComponent(to)}`}
    {...(isApart && { target: "_blank", rel: "noopener" })}
    className={`${buttonClass("plain")} mt-4 w-full`}
  >
    <span>
      Continue with <Plain text={provider.name} />
    </span>
  </a>
);

/** By the person who runs the server. */
export const LinkWay = ({ isAlone }: { readonly isAlone: boolean }) => (
  <div className={isAlone ? "mt-4" : "mt-6 border-t border-border pt-4 text-muted"}>
    <p>
      {isAlone
        ? "You sign in with a link. On the machine that runs microterm, this prints one:"
        : "Or with a link, which this prints on the machine that runs microterm:"}
    </p>
    <pre className="mt-2 rounded-md border border-border bg-surface px-3 py-2 font-mono text-text select-all">
      ./microterm open
    </pre>
    <p className="mt-2 text-muted">A link works once, within ten minutes.</p>
  </div>
);
