/** Words and what they mean: the terms of docs/glossary.md, out of the page's own text, and what the engine's own tables say of theirs. */
import { ERRATA, explainTlbi, FEATURES, TLBI_OPS, tlbiIndex, WORKAROUNDS } from "../arch/index.js";
import { builtInCpu, builtInHost, builtInScenario, cpuNames, hostNames, scenarioNames } from "../builtin/index.js";
import { didYouMean, InputError } from "../input/index.js";
import { OCCASIONS } from "../policy/index.js";
import { RULES } from "../prove/index.js";

/** A word, explained. */
export interface Word {
  readonly word: string;
  readonly aliases: readonly string[];
  /** what it is a word for: "term", "occasion", ... */
  readonly kind: string;
  readonly text: string;
  /** a section of the manual, a C function, a page; absent where the text says it */
  readonly source?: string;
}

/** A term in the page: bold, its other names in brackets, what it means, and in italics where it comes from. */
const TERM = /^\*\*([^*]+)\*\*(?: \(([^)]*)\))?: ([\s\S]+?) \*([^*]+)\*$/;

/** The glossary's terms, in the order of the page. */
function glossary(page: string): Word[] {
  const paragraphs = page.split(/\n{2,}/);
  return paragraphs.flatMap((paragraph): Word[] => {
    const [, word, aliases = "", text, source] = TERM.exec(paragraph.trim()) ?? [];
    if (word === undefined) return [];
    const names = aliases === "" ? [] : aliases.split(", ");
    return [{ word, aliases: names, kind: "term", text: plain(text!), source: plain(source!) }];
  });
}

/** Without the marks of Markdown; a link is its text. */
const plain = (text: string): string =>
  text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\\_/g, "_")
    .replace(/\s+/g, " ");

const row = (kind: string, word: string, text: string, source?: string): Word => ({
  word,
  aliases: [],
  kind,
  text,
  ...(source === undefined ? {} : { source }),
});
const entries = <T>(table: Readonly<Record<string, T>>): [string, T][] => Object.entries(table);

/** What the tables of the engine say of their own words. */
function tabled(): Word[] {
  const prices = hostNames().flatMap((name) => Object.values(builtInHost(name).prices));
  return [
    ...entries(FEATURES).map(([name, text]) => row("optional feature", name, text, "DDI 0487, A2")),
    ...entries(WORKAROUNDS).map(([name, { remedy, source }]) => row("workaround of errata", name, remedy, source)),
    ...ERRATA.map(({ number, vendor, cpus, text, symptoms, outside, remedy, source }) =>
      row(
        "erratum",
        number,
        `${vendor}, ${cpus}: ${text}; ${outside === undefined ? `in the model: ${symptoms.join(", ")}` : `outside of the model: ${outside}`}; remedy: ${remedy}`,
        source,
      ),
    ),
    ...entries(OCCASIONS).map(([name, { when }]) => row("occasion of a policy", name, when)),
    ...entries(RULES).map(([name, text]) => row("rule of the model", name, text)),
    ...cpuNames()
      .map(builtInCpu)
      .map(({ name, title, features, unknown, errata, source }) =>
        row(
          "CPU",
          name,
          `${title}; features: ${[...features].join(", ") || "none"}; unknown: ${[...unknown].join(", ") || "none"}; errata: ${errata.map(({ number }) => number).join(", ") || "none"}`,
          source,
        ),
      ),
    ...prices.map(({ key, meaning, unit }) => row("elementary price", key, `${meaning}, in ${unit}`)),
    ...hostNames().map((name) => row("host", name, builtInHost(name).title, builtInHost(name).source)),
    ...scenarioNames().map((name) => row("scenario", name, builtInScenario(name).title, builtInScenario(name).source)),
  ];
}

const isCalled = ({ word, aliases }: Word, name: string): boolean =>
  [word, ...aliases].some((one) => one.toLowerCase() === name.toLowerCase());

/** All words, each meaning once; `page` is the text of docs/glossary.md. */
export function wordsOf(page: string): Word[] {
  const all = [...glossary(page), ...tabled()];
  return all.filter((one, i) => all.findIndex(({ word, text }) => word === one.word && text === one.text) === i);
}

/** What a word means, in each of its meanings. Throws an InputError with the nearest words; `others` may be meant as well. */
export function wordIn(page: string, name: string, others: readonly string[]): Word[] {
  const all = wordsOf(page);
  const found = all.filter((word) => isCalled(word, name));
  if (found.length > 0) return found;
  const op = tlbiIndex(name);
  if (op !== undefined) {
    const { name: own, operand } = TLBI_OPS[op]!;
    const { reach } = explainTlbi(TLBI_OPS[op]!, operand === "none" ? 31 : 0);
    return [
      row("TLBI", own, `Reaches ${reach}; shootdown tlbi ${own.toLowerCase()} says what it removes, and the rest.`),
    ];
  }
  const names = [...new Set([...all.flatMap(({ word, aliases }) => [word, ...aliases]), ...others])];
  const near =
    didYouMean(name, names) ||
    didYouMean(
      name.toLowerCase(),
      names.map((one) => one.toLowerCase()),
    );
  throw new InputError(
    `nothing is called '${name}'${near || "; shootdown explain lists the words, and a policy may be named, or a path to one"}`,
  );
}
