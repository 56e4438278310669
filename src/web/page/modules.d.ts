/** What the bundler makes modules of (scripts/web.mjs). */
declare module "virtual:shootdown" {
  export const VERSION: string;
  /** the text of docs/glossary.md */
  export const GLOSSARY: string;
  /** names of the captures that lie beside the page */
  export const CAPTURES: readonly string[];
}
declare module "virtual:litmus" {
  /** the built-in litmus tests, by what output calls their files */
  export const LITMUS: Readonly<Record<string, string>>;
}
