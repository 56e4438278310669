/** What the settings of a test in herd's form ask for: obeyed, or refused by name. */
import { InputError } from "../../input/index.js";
import { UnsupportedInTest } from "../litmus/unsupported.js";
import type { Asked, OnFault, Setting } from "./syntax.js";

/** Words of herd that say what comes of a fault. */
const ON_FAULT: Readonly<Record<string, OnFault>> = {
  ...{ precise: "fatal", fatal: "fatal" },
  ...{ imprecise: "handled", handled: "handled" },
  ...{ faulttonext: "skip", skip: "skip" },
};
/** Variants that hold here anyway, or that are about how herd computes and not about what it finds. */
const NOTHING_ASKED = new Set(["vmsa", "kvm", "mixed", "dontcheckmixed", "instances", "optrfrmw", "cos-opt", "deps"]);
/** Variants that a reader may not know, in words. */
const IN_WORDS: Readonly<Record<string, string>> = {
  ...{ ifetch: "instruction fetch of modified code", self: "instruction fetch of modified code" },
  ...{ mte: "memory tags (FEAT_MTE)", memtag: "memory tags (FEAT_MTE)", tagmem: "memory tags (FEAT_MTE)" },
  ...{ sync: "memory tags (FEAT_MTE)", async: "memory tags (FEAT_MTE)", asym: "memory tags (FEAT_MTE)" },
  ...{ exs: "FEAT_ExS", eis: "FEAT_ExS", eos: "FEAT_ExS", ets: "the older FEAT_ETS" },
  ...{ morello: "capabilities", neon: "vectors", sve: "vectors", sme: "vectors", pac: "pointer authentication" },
};

/** Settings that say how herd or litmus7 are to run a test, or where it comes from. */
const hasMeaning = (key: string): boolean => /^(variant|tthm|el0)$/i.test(key);

/** Reads the settings; throws UnsupportedInTest for what this tool does not do. */
export function askedBy(settings: readonly Setting[], file: string): Asked {
  let onFault: OnFault = "fatal";
  let ets2 = false;
  const all = new Set<string>();
  const own = new Map<number, Set<string>>();
  const el0 = new Set<number>();
  for (const setting of settings.filter(({ key }) => hasMeaning(key))) {
    const { key, line } = setting;
    if (/^variant$/i.test(key))
      for (const word of wordsOf(setting)) {
        if (word === "ets2") ets2 = true;
        else if (ON_FAULT[word] !== undefined) onFault = ON_FAULT[word];
        else if (!NOTHING_ASKED.has(word))
          throw new UnsupportedInTest(`${IN_WORDS[word] ?? "this"} (Variant=${word})`, file, line);
      }
    else if (/^el0$/i.test(key)) for (const word of wordsOf(setting)) el0.add(threadNumber(word, setting, file));
    else
      for (const word of wordsOf(setting)) {
        const [, thread, feature] = /^(?:p(\d+):)?(ha|hd|sw)$/.exec(word) ?? [];
        if (feature === undefined)
          throw InputError.at(file, line, `TTHM=${setting.value}, expected HA, HD, P0:HA, ...`);
        const set = thread === undefined ? all : (own.get(Number(thread)) ?? new Set<string>());
        set.add(feature);
        if (thread !== undefined) own.set(Number(thread), set);
      }
  }
  const has = (feature: string, thread: number): boolean =>
    all.has(feature) || (own.get(thread)?.has(feature) ?? false);
  const hd = (thread: number): boolean => has("hd", thread);
  // TCR_EL1.HD counts with HA only (DDI 0487, D8.5.3): who asks for it means both.
  const ha = (thread: number): boolean => has("ha", thread) || hd(thread);
  return { onFault, ets2, ha, hd, el0 };
}

const wordsOf = ({ value }: Setting): string[] =>
  value
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== "");

function threadNumber(word: string, { key, value, line }: Setting, file: string): number {
  const [, digits] = /^p?(\d+)$/.exec(word) ?? [];
  if (digits === undefined) throw InputError.at(file, line, `${key}=${value}, expected threads such as P0`);
  return Number(digits);
}
