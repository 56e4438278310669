/** What is wider than the page: it scrolls by itself, with the keys too. */
import type { ComponentChildren } from "preact";

export function Scroll({ children }: { readonly children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it, who has no pointer cannot scroll
    <div class="scroll" tabIndex={0}>
      {children}
    </div>
  );
}
