import { type ReactNode, useId } from "react";

/** A heading and what is under it, in a page of several. */
export const Section = ({
  title,
  words,
  actions,
  children,
}: {
  readonly title: string;
  readonly words?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) => {
  const id = useId();
  return (
    <section aria-labelledby={id} className="border-b border-border py-5 last:border-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h2 id={id} className="text-[15px]">
          {title}
        </h2>
        {actions && <div className="ml-auto flex flex-wrap gap-2">{actions}</div>}
      </div>
      {words && <p className="mt-1 text-muted">{words}</p>}
      <div className="mt-3">{children}</div>
    </section>
  );
};

/** Rows of a few facts and an action each: a list and no table, so that it fits a phone. */
export const Rows = ({ label, children }: { readonly label: string; readonly children: ReactNode }) => (
  <ul aria-label={label} className="rounded-md border border-border">
    {children}
  </ul>
);

export const Row = ({ children, actions }: { readonly children: ReactNode; readonly actions?: ReactNode }) => (
  <li className="flex min-h-11 items-center gap-3 border-b border-border px-3 py-1.5 last:border-0">
    <div className="min-w-0 flex-1">{children}</div>
    {actions && <div className="flex shrink-0 items-center gap-1">{actions}</div>}
  </li>
);
