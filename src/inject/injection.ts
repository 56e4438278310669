/** What was put into a Xen, and where. */
import type { InjectedPart } from "../binary/index.js";
import type { InjectedOccasion } from "./program.js";

/** A word that was changed. */
export interface InjectedWord {
  /** link address, and the same by the function whose symbol holds it: "p2m_init+0x1c" */
  readonly address: number;
  readonly at: string;
  readonly before: number;
  readonly after: number;
  readonly text: string;
  /** the policy's line that it comes from; absent for what is around */
  readonly line?: PolicyLine;
}

export interface PolicyLine {
  readonly occasion: string;
  /** of the policy's file, from 1, and what stands there; absent where the file does not say */
  readonly number?: number;
  readonly code?: string;
}

/** A place of Xen's that is hooked. */
export interface InjectedHook {
  /** "p2m_restore_state+0x68" */
  readonly at: string;
  /** occasions whose code is reached from there; none: what makes them certain */
  readonly occasions: readonly string[];
  /** words in place of Xen's own; else a branch to the cave */
  readonly inPlace: boolean;
}

export interface Injection {
  readonly policy: string;
  readonly cpu: string;
  /** occasions whose code is the policy's; the others are Xen's own, which is the same */
  readonly occasions: readonly InjectedOccasion[];
  readonly hooks: readonly InjectedHook[];
  /** functions in whose place code stands, its words, and those there is room for; none where all fits in place */
  readonly caves: readonly { readonly function: string; readonly words: number; readonly room: number }[];
  /** the list of each pCPU: its link address and bytes; absent where none is needed */
  readonly data?: { readonly address: number; readonly bytes: number };
  /** in ascending order; empty where this Xen executes the policy as it is */
  readonly words: readonly InjectedWord[];
  readonly parts: readonly InjectedPart[];
  /** the Image with it */
  readonly image: Uint8Array;
}

/** What a policy's code on an occasion is called in a trace. */
export const codeName = (policy: string, occasion: string): string => `policy ${policy}, ${occasion}`;
