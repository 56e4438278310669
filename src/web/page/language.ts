/** The words of a policy for the editor: their colours, and what completes them. All of them out of the engine's own tables. */
import type { Completion } from "@codemirror/autocomplete";
import type { StreamParser } from "@codemirror/language";
import { BARRIERS, FEATURES, TLBI_OPS, WORKAROUND_WORDS } from "../../arch/index.js";
import { OCCASIONS } from "../../policy/index.js";

const INSTRUCTIONS = ["tlbi", "dsb", "dmb", "isb", "msr"];
const DIRECTIVES = ["with", "for", "if", "else", "end", "not"];
const WORDS = ["owner-vmid", "owner-current", "va-known", "page", "entry", "range", "va-page", "va-range", "vmid"];
const KEYS = ["name", "title", "source", "base", "requires", "vmid-per", "due", "code"];

const instruction = new Set([...INSTRUCTIONS, ...TLBI_OPS.map(({ name }) => name.toLowerCase())]);
const directive = new Set([
  ...DIRECTIVES,
  ...WORDS,
  ...WORKAROUND_WORDS,
  ...Object.keys(FEATURES).map((f) => f.toLowerCase()),
]);

export const COMPLETIONS: readonly Completion[] = [
  ...TLBI_OPS.map(({ name }): Completion => ({ label: name.toLowerCase(), type: "function", detail: "TLBI" })),
  ...BARRIERS.map(({ name }): Completion => ({ label: name.toLowerCase(), type: "function", detail: "barrier" })),
  ...INSTRUCTIONS.map((label): Completion => ({ label, type: "keyword" })),
  ...[...DIRECTIVES, ...WORDS].map((label): Completion => ({ label, type: "keyword" })),
  ...Object.entries(FEATURES).map(([label, detail]): Completion => ({ label, type: "constant", detail })),
  ...WORKAROUND_WORDS.map((label): Completion => ({ label, type: "constant", detail: "erratum" })),
  ...Object.entries(OCCASIONS).map(
    ([name, { when }]): Completion => ({ label: `[${name}]`, type: "class", detail: when }),
  ),
  ...KEYS.map((label): Completion => ({ label, type: "property" })),
];

/**
 * TOML, and assembly inside its long strings. Each pattern begins with ^: without it a line of a million letters is searched to its end at
 * every one of them.
 */
export const POLICY_LANGUAGE: StreamParser<{ code: boolean }> = {
  startState: () => ({ code: false }),
  token(stream, state) {
    if (stream.match('"""') || stream.match("'''")) {
      state.code = !state.code;
      return "string";
    }
    if (stream.eatSpace()) return null;
    if (stream.match("//") || stream.match("#")) {
      stream.skipToEnd();
      return "comment";
    }
    if (!state.code) {
      if (stream.sol() && stream.match(/^\[[^\]]*\]/)) return "heading";
      if (stream.match(/^"(?:[^"\\]|\\.)*"/)) return "string";
      if (stream.match(/^[\w.-]+(?=\s*=)/)) return "propertyName";
    }
    if (stream.match(/^(?:0x[\da-f]+|\d+)\b/i)) return "number";
    const word = stream.match(/^[\w.-]+/) as RegExpMatchArray | null;
    if (word === null) {
      stream.next();
      return null;
    }
    const name = word[0].toLowerCase();
    if (!state.code) return null;
    return instruction.has(name) ? "keyword" : directive.has(name) ? "operatorKeyword" : null;
  },
  languageData: { commentTokens: { line: "//" } },
};
