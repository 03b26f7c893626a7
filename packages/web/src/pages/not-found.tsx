import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { Logo } from "../parts/header.tsx";

/** An address with nothing at it; links to where something is. */
export const NotFoundPage = () => {
  useEffect(() => {
    document.title = "Not found · microterm";
  }, []);
  return (
    <main className="grid h-full place-items-center p-6">
      <div className="w-[min(420px,100%)]">
        <Logo />
        <h1 className="mt-4 text-[15px] font-semibold">There is nothing at this address</h1>
        <p className="mt-1 break-all text-muted">{location.pathname}</p>
        <Link to="/" className="mt-4 inline-block text-accent underline underline-offset-2">
          All environments
        </Link>
      </div>
    </main>
  );
};
