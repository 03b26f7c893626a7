import { type ReactNode, useEffect } from "react";
import { Logo } from "../parts/header.tsx";

export interface FrameProps {
  readonly title: string;
  readonly children: ReactNode;
}

/** The pages of who is not signed in: a narrow column in the middle. */
export const Frame = ({ title, children }: FrameProps) => {
  useEffect(() => {
    document.title = `${title} · microterm`;
  }, [title]);
  return (
    <main className="grid h-full place-items-center overflow-auto p-6">
      <div className="w-[min(360px,100%)]">
        <Logo />
        <h1 className="mt-6 text-[15px]">{title}</h1>
        {children}
      </div>
    </main>
  );
};
