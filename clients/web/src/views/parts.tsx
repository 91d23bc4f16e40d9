// Small parts that several views use.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { hue } from "../lib/format";

/** Sets the custom properties of an element. The page's policy allows styles by script only. */
export function vars(values: Record<string, string | number>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`--${name}`, String(value)]));
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M7 12c4 3 14 3 18 0M7 17.5c4 3 14 3 18 0M7 23c4 3 14 3 18 0" />
    </svg>
  );
}

export function Avatar({ name }: { name: string }) {
  const letters = name.replace(/[^\p{L}\p{N}]/gu, "").slice(0, 2) || "?";
  return (
    <span class="avatar" style={vars({ hue: hue(name) })} aria-hidden="true">
      {letters}
    </span>
  );
}

/** A button that copies a text, and says so. */
export function CopyButton({
  text,
  children,
  kind = "",
}: {
  text: string;
  children: ComponentChildren;
  kind?: string;
}) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 2_000);
    } catch {
      prompt("Copy this link", text); // without https there is no clipboard
    }
  };
  return (
    <button type="button" class={`button ${kind}`} onClick={copy}>
      <span aria-live="polite">{isCopied ? "Copied" : children}</span>
    </button>
  );
}

/** Gives the focus to the title of the page if an element that has it goes away; else it would begin at the top again. */
export function useFocusHandover<T extends HTMLElement>() {
  const element = useRef<T>(null);
  useLayoutEffect(
    () => () => {
      if (element.current?.contains(document.activeElement)) focusTitle();
    },
    [],
  );
  return element;
}

/** Moves the focus to the title of the page. */
export function focusTitle(): void {
  document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
}

/** A message that needs attention, with what can be done. `more`: what needs room of its own. */
export function Notice({
  title,
  text,
  children,
  more,
  tone = "plain",
}: {
  title: string;
  text: string;
  children?: ComponentChildren;
  more?: ComponentChildren;
  tone?: "plain" | "bad";
}) {
  const element = useFocusHandover<HTMLElement>();
  return (
    <section class={`notice ${tone}`} ref={element}>
      <div class="words" role="alert">
        <h2>{title}</h2>
        <p>{text}</p>
      </div>
      {more}
      {children && <div class="actions">{children}</div>}
    </section>
  );
}

const ICONS: Record<string, string> = {
  eye: "M12 5C7 5 3.2 8.2 1.5 12 3.2 15.8 7 19 12 19s8.8-3.2 10.5-7C20.8 8.2 17 5 12 5zm0 11a4 4 0 1 1 0-8 4 4 0 0 1 0 8z",
  back: "M14.5 5.5L8 12l6.5 6.5",
  seat: "M7 3v9h10V3M7 12v9M17 12v9M5 12h14",
};

export function Icon({ name }: { name: "eye" | "back" | "seat" }) {
  return (
    <svg class={`icon ${name === "eye" ? "" : "line"}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}
