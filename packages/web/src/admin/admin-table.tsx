import type { ReactNode } from "react";

export interface AdminTableProps {
  readonly caption: string;
  readonly heads: readonly string[];
  /** A last column without a head, of what can be done. */
  readonly hasActions?: boolean;
  readonly children: ReactNode;
}

/** The rows of a page for admins; on a phone each becomes a block, and the heads are for screen readers. */
export const AdminTable = ({ caption, heads, hasActions = false, children }: AdminTableProps) => (
  <div className="relative overflow-x-auto rounded-md border border-border">
    <table className="w-full border-collapse max-md:block">
      <caption className="sr-only">{caption}</caption>
      <thead className="max-md:sr-only">
        <tr className="border-b border-border">
          {heads.map((head) => (
            <th key={head} scope="col" className="h-8 px-3 text-left font-normal text-muted">
              {head}
            </th>
          ))}
          {hasActions && (
            <th scope="col">
              <span className="sr-only">Actions</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody className="max-md:block">{children}</tbody>
    </table>
  </div>
);
