import { Eye, EyeOff } from "lucide-react";
import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId, useState } from "react";
import { buttonClass } from "../button.tsx";

export const CONTROL =
  "h-8 w-full min-w-0 rounded-md border border-border bg-bg px-2 aria-invalid:border-danger read-only:text-muted pointer-coarse:h-11";

interface About {
  readonly label: string;
  /** What is wrong with what is in it. */
  readonly fault?: string | undefined;
  /** What belongs into it, as long as nothing is wrong. */
  readonly hint?: string | undefined;
}

interface Described {
  readonly id: string;
  readonly "aria-invalid"?: true;
  readonly "aria-describedby"?: string;
}

/** A label above a control, and below it what is to be said of it. */
const Labelled = ({
  label,
  fault,
  hint,
  children,
}: About & { readonly children: (described: Described) => ReactNode }) => {
  const id = useId();
  const about = `${id}-about`;
  const isDescribed = fault !== undefined || hint !== undefined;
  return (
    <div className="grid content-start gap-1">
      <label htmlFor={id} className="text-muted">
        {label}
      </label>
      {children({
        id,
        ...(fault !== undefined && { "aria-invalid": true }),
        ...(isDescribed && { "aria-describedby": about }),
      })}
      {fault !== undefined && (
        <p id={about} role="alert" className="text-danger">
          {fault}
        </p>
      )}
      {fault === undefined && hint !== undefined && (
        <p id={about} className="text-xs text-muted">
          {hint}
        </p>
      )}
    </div>
  );
};

/** A line of text. */
export const Field = ({ label, fault, hint, ...rest }: About & InputHTMLAttributes<HTMLInputElement>) => (
  <Labelled label={label} fault={fault} hint={hint}>
    {(described) => <input {...rest} {...described} className={CONTROL} />}
  </Labelled>
);

export const Choice = ({ label, fault, hint, children, ...rest }: About & SelectHTMLAttributes<HTMLSelectElement>) => (
  <Labelled label={label} fault={fault} hint={hint}>
    {(described) => (
      <select {...rest} {...described} className={CONTROL}>
        {children}
      </select>
    )}
  </Labelled>
);

/** A password, which can be looked at. `autoComplete` tells a browser's keeper of passwords which one it is. */
export const PasswordField = ({
  label,
  fault,
  hint,
  ...rest
}: About & InputHTMLAttributes<HTMLInputElement> & { readonly autoComplete: "current-password" | "new-password" }) => {
  const [isShown, setShown] = useState(false);
  const Icon = isShown ? EyeOff : Eye;
  return (
    <Labelled label={label} fault={fault} hint={hint}>
      {(described) => (
        <span className="relative grid">
          <input
            {...rest}
            {...described}
            type={isShown ? "text" : "password"}
            autoCapitalize="off"
            spellCheck={false}
            maxLength={1024}
            className={`${CONTROL} pr-9`}
          />
          <button
            type="button"
            aria-pressed={isShown}
            aria-label={`Show what is typed: ${label}`}
            title={isShown ? "Hide it" : "Show it"}
            onClick={() => setShown(!isShown)}
            className={`${buttonClass("quiet", true)} absolute inset-y-0 right-0 h-full`}
          >
            <Icon aria-hidden className="size-4" />
          </button>
        </span>
      )}
    </Labelled>
  );
};
