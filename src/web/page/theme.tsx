/** Light or dark: as the machine has it, or as the reader wants it, which this browser keeps. */
import { useEffect, useState } from "preact/hooks";
import { Choice } from "./parts.js";

const KEPT = "theme";
const THEMES = [
  ["", "as the machine has it"],
  ["light", "light"],
  ["dark", "dark"],
] as const;

/** What was chosen here before; a browser may keep nothing, and what it kept may be of anybody. */
function kept(): string {
  try {
    const name = localStorage.getItem(KEPT);
    return THEMES.find(([theme]) => theme === name)?.[0] ?? "";
  } catch {
    return "";
  }
}

function show(theme: string): void {
  if (theme === "") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Shows what was chosen here before, while nothing is drawn yet. */
export const showKept = (): void => show(kept());

export function Theme() {
  const [theme, set] = useState(kept);
  useEffect(() => {
    show(theme);
    try {
      if (theme === "") localStorage.removeItem(KEPT);
      else localStorage.setItem(KEPT, theme);
    } catch {} // then it holds as long as the page is open
  }, [theme]);
  return <Choice label="colours" value={theme} options={THEMES} onChoice={set} />;
}

/** A number that changes with the colours, for what is drawn anew then. */
export function useColours(): number {
  const [n, set] = useState(0);
  useEffect(() => {
    const changed = (): void => set((before) => before + 1);
    const observer = new MutationObserver(changed);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const machine = matchMedia("(prefers-color-scheme: dark)");
    machine.addEventListener("change", changed);
    return () => {
      observer.disconnect();
      machine.removeEventListener("change", changed);
    };
  }, []);
  return n;
}
