import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Logo } from "../parts/header.tsx";

const Frame = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <main className="grid h-full place-items-center p-6">
    <div className="w-[min(420px,100%)]">
      <Logo />
      <h1 className="mt-4 text-[15px] font-semibold">{title}</h1>
      {children}
    </div>
  </main>
);

/** An address with nothing at it; links to where something is. */
export const NotFoundPage = () => {
  useEffect(() => {
    document.title = "Not found · microterm";
  }, []);
  return (
    <Frame title="There is nothing at this address">
      <p className="mt-1 break-all text-muted">{location.pathname}</p>
      <Link to="/" className="mt-4 inline-block text-accent underline underline-offset-2">
        All environments
      </Link>
    </Frame>
  );
};

/** A part of the page that could not be loaded or drawn, as while the server is gone. */
export const BrokenPage = ({ error }: { readonly error: unknown }) => (
  <Frame title="This page could not be shown">
    <FailureNote error={error} className="mt-2" />
    <Button className="mt-4" onClick={() => location.reload()}>
      Load it again
    </Button>
  </Frame>
);
