/** What the page shows: all that a link holds, and how it gets there. */

import { builtInText, cpuNames, policyNames, usualCpus } from "../../builtin/index.js";
import { PROVED } from "../../prove/index.js";
import { type Choices, knownChoices } from "../choices.js";
import { type Linked, MOST_TEXT, type PolicyRef, textHash } from "../link.js";

/** A policy in an editor. */
export interface Edited {
  /** the built-in one that it is, unchanged */
  readonly name?: string;
  readonly text: string;
}

export interface State {
  readonly view: Linked["view"];
  readonly policy: Edited;
  /** the one that it is compared with */
  readonly other: Edited;
  readonly cpu: string;
  readonly scenario: string;
  readonly story?: NonNullable<Linked["story"]> | undefined;
  readonly litmus: { readonly name?: string; readonly text?: string };
  readonly trace?: string | undefined;
  /** captures that are compared */
  readonly traces: { readonly before?: string | undefined; readonly after?: string | undefined };
  readonly choices: Choices;
  /** what an occasion by itself is priced for: pages that it is about, and others that the guest has touched */
  readonly about: { readonly pages: number; readonly touched: number };
  /** verdicts that the maker of the link saw */
  readonly seen?: Linked["seen"];
}

export type Change = (change: Partial<State>) => void;

export const builtInEdited = (name: string): Edited => ({ name, text: builtInText("policies", name) });

/** What errors and downloads call the file. */
export const fileOf = ({ name }: Edited): string => (name === undefined ? "mine.toml" : `policies/${name}.toml`);

/** A text as it was typed: it is a built-in one as long as it is the same. */
export function edited(text: string): Edited {
  const name = policyNames().find((one) => builtInText("policies", one) === text);
  return name === undefined ? { text } : { name, text };
}

const FIRST = "series-v3-patch2";
const has = (name: string): boolean => policyNames().includes(name);

export const START: State = {
  view: "policy",
  policy: builtInEdited(has(FIRST) ? FIRST : policyNames()[0]!),
  other: builtInEdited(policyNames()[0]!),
  cpu: usualCpus().includes("neoverse-v2") ? "neoverse-v2" : usualCpus()[0]!,
  scenario: "vcpu-switch",
  litmus: {},
  traces: {},
  choices: {},
  about: { pages: 1, touched: 512 },
};

/** The state of a link, and in sentences what of it is not as it was when the link was made. */
export function stateOf(linked: Linked): { readonly state: State; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const policyOf = (ref: PolicyRef | undefined, otherwise: Edited): Edited => {
    if (ref === undefined) return otherwise;
    if ("text" in ref) return edited(ref.text);
    if (!has(ref.name)) {
      notes.push(`The link names the built-in policy ${ref.name}, which this version does not have.`);
      return otherwise;
    }
    const policy = builtInEdited(ref.name);
    if (ref.hash !== undefined && ref.hash !== textHash(policy.text))
      notes.push(`The built-in policy ${ref.name} has another text in this version than when the link was made.`);
    return policy;
  };
  const cpuOf = (name: string | undefined): string => {
    if (name === undefined || cpuNames().includes(name)) return name ?? START.cpu;
    notes.push(`The link names the CPU ${name}, which this version does not have.`);
    return START.cpu;
  };
  const { view, scenario, story, litmus, trace, traces = {}, seen } = linked;
  const told = story === undefined || Object.hasOwn(PROVED, story.occasion);
  if (!told) notes.push(`The link tells a story of ${story.occasion}, which this version does not prove.`);
  const known = knownChoices(linked.choices ?? {});
  notes.push(...known.notes);
  const state: State = {
    view,
    policy: policyOf(linked.policy, START.policy),
    other: policyOf(linked.with, START.other),
    cpu: cpuOf(linked.cpu),
    scenario: scenario ?? START.scenario,
    story: told && story ? { ...story, cpu: cpuOf(story.cpu) } : undefined,
    litmus: {
      ...(litmus?.name !== undefined && { name: litmus.name }),
      ...(litmus?.text !== undefined && { text: litmus.text }),
    },
    trace,
    traces,
    choices: known.choices,
    about: { pages: linked.about?.pages ?? START.about.pages, touched: linked.about?.touched ?? START.about.touched },
    seen,
  };
  return { state, notes };
}

/** Why what is shown does not go into a link; undefined where it does. */
export const tooLong = ({ view, policy, other, litmus }: State): string | undefined => {
  const texts = view === "policy" ? [policy.text] : view === "compare" ? [policy.text, other.text] : [];
  const long =
    view === "litmus" ? (litmus.text ?? "").length > 2 * MOST_TEXT : texts.some((text) => text.length > MOST_TEXT);
  return long ? "the text is too long for a link: save it and send it as a file" : undefined;
};

const refOf = ({ name, text }: Edited): PolicyRef => (name === undefined ? { text } : { name, hash: textHash(text) });

/** What a link to a state says: of the other views nothing, so that it stays short. */
export function linkOf(state: State): Linked {
  const { view, policy, other, cpu, scenario, story, litmus, trace, traces, seen, choices, about } = state;
  const base = { v: 1 as const, view };
  const asked = Object.keys(choices).length > 0 ? { choices } : {};
  const { pages, touched } = START.about;
  const priced = { scenario, ...(about.pages !== pages || about.touched !== touched ? { about } : {}) };
  switch (view) {
    case "policy":
      return {
        ...base,
        policy: refOf(policy),
        cpu,
        ...priced,
        ...asked,
        ...(story && { story }),
        ...(seen && { seen }),
      };
    case "compare":
      return {
        ...{ ...base, policy: refOf(policy), with: refOf(other), cpu, ...priced, ...asked },
        ...(Object.keys(traces).length > 0 && { traces }),
      };
    case "litmus":
      return { ...base, cpu, ...asked, litmus };
    case "trace":
      return { ...base, ...(trace !== undefined && { trace }) };
  }
}
