import type { ReactNode } from "react";

export interface CardProps {
  /** Its name to screen readers, where it is a region of its own. */
  readonly label?: string | undefined;
  readonly isWide?: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}

/** In the middle of the page of an environment that does not run: what it does instead. */
export const Card = ({ label, isWide = false, className = "", children }: CardProps) => (
  <section
    aria-label={label}
    className={`m-auto flex max-h-[calc(100%-32px)] flex-col rounded-md border border-border bg-surface p-6 shadow-overlay ${isWide ? "w-[min(720px,calc(100%-32px))]" : "w-[min(420px,calc(100%-32px))]"} ${className}`}
  >
    {children}
  </section>
);
