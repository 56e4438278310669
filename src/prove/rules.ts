/** What the model holds of the architecture, rule by rule. */
import type { Symptom } from "../arch/index.js";

/**
 * The rules of the model, each with the place in the manual that it restates. A story cites them; the mutation test drops
 * them one by one and wants a litmus test to notice.
 * What an erratum lets a CPU do is a rule of its symptom's name.
 */
export const RULES = {
  "speculative-fill":
    "hardware may walk and fill its TLB at any time for a context that is live on the PE (DDI 0487, D8.16)",
  "combined-entries":
    "a TLB may hold combined entries, VA to PA, with both stages folded together; IPAS2E1 is not required to apply to them (D8.17)",
  "walk-caches": "a TLB may hold table descriptors of the walk, and go on walking from them (D8.16)",
  "physical-caches":
    "without FEAT_nTLBPA a walk may take a former valid value of a descriptor's location (ID_AA64MMFR1_EL1.nTLBPA)",
  "physical-refill":
    "a physical translation cache is filled by walks: it has a former value only if its PE could walk for the regime while memory had it, after the last TLBI that removes it (D8.1, D8.16)",
  "not-cached-invalid":
    "an entry that would give a Translation, Address size or Access flag fault is not held in a TLB (D8.16)",
  "vmid-match": "an entry of the EL1&0 regime is used, and invalidated, under its VMID only (D8.16)",
  "asid-match": "a non-global entry is used, and invalidated by ASID, under its ASID only (D8.16)",
  "id-size":
    "ASIDs have 8 bits unless TCR_EL1.AS = 1, VMIDs unless VTCR_EL2.VS = 1: the upper ones are ignored (D8.16, D19)",
  "asid-select": "TCR_EL1.A1 says which TTBRn_EL1 the ASID comes from (D19, TCR_EL1)",
  "address-match": "a TLBI by address applies to the entries of that address only (C5.5)",
  "break-before-make":
    "where a valid descriptor is changed without break-before-make, a PE may hold the old entry beside the new one, and an access takes a TLB conflict abort, or uses one of them or an amalgam of both (D8.17, K1.2.3)",
  contiguous:
    "of descriptors with the Contiguous bit a TLB may hold one entry for their whole group, out of any of them; a TLBI that names any address of the group removes it, and of the others' own entries none (D8.7.1)",
  "ttl-hint":
    "a TLBI with a hint (TTL, TG) of another granule or level than the entry's, or with a range not aligned to its hint, need not remove it (C5.5)",
  "last-level": "VAL*, IPAS2L*: only entries of the last level need go (C5.5)",
  broadcast: "IS and OS forms reach every PE of the domain, the others the executing PE only (C5.5)",
  "least-el":
    "at EL1 the TLBIs of EL2 (ALLE1, VMALLS12E1, IPAS2E1, VAE2, ...) are UNDEFINED, and its registers; at EL0 all (C5)",
  "fb-broadcast": "with HCR_EL2.FB = 1, EL1's own local TLBIs act as Inner Shareable ones (D19, HCR_EL2)",
  "stage1-kinds": "VMALLE1, VA* and ASIDE1 remove stage-1 and combined entries, not stage-2 ones (D8.17)",
  "stage2-kinds": "IPAS2* remove stage-2 entries (D8.17)",
  "tlbi-unordered": "TLBIs are ordered with one another only by a DSB of loads and stores between them (D8.17)",
  "tlbi-completion": "a later DSB of both access types completes TLBIs; one of stores or loads only does not (B2.3)",
  "dsb-domain": "a DSB completes what concerns the PEs of its domain: NSH, the executing PE only (B2.3)",
  "access-completion": "when a TLBI is complete, so is every access that used an entry that it removed (D8.17)",
  "write-before-tlbi":
    "a TLBI follows a descriptor write only when a DSB with store access stands between them: before, a walk may read the old descriptor (D8.17)",
  "dsb-order": "instructions after a DSB begin when the accesses of its type before it are complete (B2.3)",
  "dmb-order": "a DMB orders the accesses of its type around it (B2.3)",
  "context-sync":
    "a change of VTTBR_EL2 or TTBRn_EL1 is certain to be seen only after a context synchronisation event (D19, B2.3)",
  "isb-order": "after a context synchronisation event instructions, and their walks, begin anew (B2.3)",
  cnp: "PEs with CnP = 1 in the TTBR of every stage in use share the entries of a regime, VMID and ASID; with CnP = 1 in VTTBR_EL2 alone those of stage 2 (D8.16.3, RFWQJZ, RZVRZW)",
  "stage1-off":
    "after SCTLR_ELx.M = 0 and a context synchronisation event no entry is used that was filled while stage 1 was on (D8.2)",
  vhe: "with HCR_EL2.{E2H,TGE} = {1,1} the TLBIs of EL1's own (VMALLE1, VAE1, ASIDE1, ...) that EL2 executes are for EL2&0, and leave EL1&0 alone; IPAS2*, VMALLS12E1 and ALLE1 are for EL1&0 always (C5.5)",
  "out-of-context": "while a PE executes at EL2, it does not walk for EL1&0: that regime is out of context (D8.1)",
  "walks-end-at-traps": "a walk for EL1&0 that is under way when its PE comes to EL2 ends there: an assumption",
  "no-buffers": "nothing else translates for EL1&0 while its PE is at EL2, no profiling or trace buffer: an assumption",
  coherence: "accesses of one location are coherent (B2.3)",
  "translation-coherence":
    "of two accesses of a PE to the same bytes, by one VA or by aliases, the second uses no translation older than that of the first (B2.3, AARCH-24876)",
  "translation-before-access": "an access, and what depends on it, comes after the walk that translated it (B2.3, D8)",
  "speculation-barrier": "no write becomes visible before the branches and translations before it are decided (B2.3)",
  dependency: "address and data dependencies order (B2.3)",
  "acquire-release": "Load-Acquire and Store-Release order (B2.3)",
  pick: "CSEL and CAS pick: what decides the choice orders writes, TLBIs and context synchronisation, but no loads (B2.3)",
  "own-forwarding":
    "a load may have the value of its PE's own earlier write before others see it; a Load-Acquire may not have that of an atomic or a Store-Exclusive (B2.3)",
  "no-return": "an atomic whose old value goes to the zero register is no load to a DMB or DSB of loads (B2.3)",
  "fault-order":
    "dependencies and release order what a store writes, not its walk and not its fault; barriers and acquires order a fault too (B2.3)",
  ets2: "FEAT_ETS2: a walk that gives a Translation or Access flag fault comes after every access before it in program order; any walk comes after what a DSB before it covers (B2.3, D8.2)",
  xs: "neither a TLBI with nXS nor a DSB with nXS waits for accesses of memory with the XS attribute, such as Device memory (FEAT_XS, C5.5, B2.3)",
  "repeat-tlbi":
    "CVE-2025-10263: a broadcast TLBI and its DSB may complete before another PE's writes through the entry are observed; one more broadcast TLBI and DSB wait for them",
  "repeat-tlbi-reads":
    "errata 1286807, 2441007, 2441009: a broadcast TLBI and its DSB may complete before another PE's reads through the entry are observed; one more broadcast TLBI and DSB wait for them",
  "hardware-flag":
    "with TCR_EL1.HA = 1 hardware sets the access flag of a valid leaf descriptor, perhaps ahead of any access, and there is no Access flag fault (FEAT_HAFDBS, D8.5)",
  "hardware-dirty":
    "with TCR_EL1.HA = HD = 1 the walk of a write makes a read-only leaf descriptor with DBM = 1 writable; a read does not (FEAT_HAFDBS, D8.5)",
  "update-atomic": "between the descriptor that a walk read and its update of it no other write comes (D8.5)",
  "update-completion":
    "of barriers only a DSB of loads and stores waits for the updates of walks before it (B2.3, D8.5)",
  "dirty-decided":
    "no update of the dirty state comes before the branches and addresses before it are decided (B2.3, D8.5)",
  permissions: "an access needs the permission of both stages (D8.4)",
} as const satisfies Record<string, string> & Record<Symptom, string>;

export type Rule = keyof typeof RULES;

/** Which rules hold: all of them, but in the mutation test. Made once for an exploration, so that inner loops read a property. */
export type Model = Readonly<Record<Rule, boolean>>;

/** The model without some of its rules. */
export const modelWithout = (dropped?: ReadonlySet<Rule>): Model => (dropped?.size ? without(dropped) : WHOLE);

const without = (dropped: ReadonlySet<Rule>): Model =>
  Object.freeze(Object.fromEntries(Object.keys(RULES).map((rule) => [rule, !dropped.has(rule as Rule)]))) as Model;

/** Nearly everybody's: made once. */
const WHOLE = without(new Set());
