/** The kinds of finding, and the reasons why a flush that was there does not count: words, sentences, and the manual's rules. */

/** How bad a finding is, the worst first. */
export const CLASSES = {
  unsafe: "a translation that the tables do not give can be used against somebody",
  discipline: "a rule of the code's own protocol is broken: of locks and roots, where a log has them",
  late: "covered at last, but later than it was promised",
  wasteful: "nothing would be lost without it",
} as const;
export type FindingClass = keyof typeof CLASSES;

interface KindRow {
  readonly class: FindingClass;
  /** what is wrong, as a sentence without its end */
  readonly sentence: string;
  /** the rule, with its place in DDI 0487; of a discipline, whose rule it is */
  readonly rule: string;
}

const TLB = "D8.16 (TLB maintenance requirements)";

export const KINDS = {
  "stale-access": {
    class: "unsafe",
    sentence: "an access went through a translation that the tables do not give any more",
    rule: `${TLB}: only a completed TLBI keeps an entry from being used again`,
  },
  "reuse-before-flush": {
    class: "unsafe",
    sentence: "a page was put to another use while a former translation to it may still be held",
    rule: `${TLB}: until the TLBI has completed, accesses may use the former entry`,
  },
  "broken-bbm": {
    class: "unsafe",
    sentence:
      "a valid descriptor was replaced by another one while the former may still be held: break-before-make is broken",
    rule: "D8.16.1 (Using break-before-make): write invalid, DSB, TLBI, DSB, and only then the new descriptor",
  },
  "freed-table-walked": {
    class: "unsafe",
    sentence:
      "a table was put to another use while a former descriptor of it may still be held: walks may go through it",
    rule: `${TLB}: table descriptors are cached too, and a walk may start from one until its TLBI has completed`,
  },
  "vmid-reused": {
    class: "unsafe",
    sentence: "a guest runs under a VMID under which another table's translations may still be held",
    rule: "D8.17.2 (VMIDs): TLB entries are told by VMID alone; a new owner needs them gone",
  },
  "vcpu-collision": {
    class: "unsafe",
    sentence: "a vCPU runs where translations of another vCPU of its domain may still be held under the same VMID",
    rule: "D8.17.1 (ASIDs): two vCPUs may use one ASID, or global entries, for different tables",
  },
  "vmids-apart": {
    class: "unsafe",
    sentence: "vCPUs of one domain run under different VMIDs: a guest's own TLBI reaches the entries of its own only",
    rule: "D8.17.2 (VMIDs): a TLBI of EL1 applies to the current VMID",
  },
  "never-flushed": {
    class: "unsafe",
    sentence:
      "the guest runs on though a translation was removed, and no flush that counts comes to the end of the trace",
    rule: `${TLB}: only a completed TLBI keeps an entry from being used again`,
  },
  "table-unlocked": {
    class: "discipline",
    sentence: "a table was written by a thread that does not hold its lock",
    rule: "the lock that the log gives to the table's root",
  },
  "no-lock-known": {
    class: "discipline",
    sentence: "a table was written whose root has no lock in the log",
    rule: "each root has a lock before its tables are written",
  },
  "racing-write": {
    class: "discipline",
    sentence: "a second plain store to a table in one critical section, with nothing that orders it behind the first",
    rule: "between two plain stores to a table stands a DSB, or the second is a store-release",
  },
  "lock-misused": {
    class: "discipline",
    sentence: "a lock was taken that is held, or given up by who does not hold it",
    rule: "a lock has one holder",
  },
  "root-under-two-ids": {
    class: "discipline",
    sentence: "a root was put under a second VMID, or a second root under one VMID, though neither was released",
    rule: "one root, one VMID (EL2: ASID 0), until the root's release",
  },
  "released-unclean": {
    class: "discipline",
    sentence: "a table was released though a descriptor of it, or to it, is not flushed",
    rule: "what is released has been flushed before",
  },
  "written-below-unclean": {
    class: "discipline",
    sentence: "a table was changed whose own link was removed and is not flushed",
    rule: "what hangs on a removed link stays as it is until that is flushed",
  },
  "released-in-use": {
    class: "discipline",
    sentence: "a root was released while a register holds it",
    rule: "a root in use is not released",
  },
  "double-use": {
    class: "discipline",
    sentence: "a page was linked as a table that is one already, elsewhere",
    rule: "a table has one place",
  },
  late: {
    class: "late",
    sentence: "a removal was flushed, but only after its hypercall had returned, or its lock was dropped",
    rule: "what returned is taken for done; until the flush the guest may use what was removed",
  },
  "freed-before-flush": {
    class: "late",
    sentence: "a page went back to the allocator before the flush; it was not handed out before that had completed",
    rule: "safe only where the allocator itself waits (Xen: alloc_heap_pages flushes what a domain had)",
  },
  "dropped-before-flush": {
    class: "late",
    sentence:
      "a mapping's reference on a page was dropped before the flush; the page was not handed out before that had completed",
    rule: "safe only where the allocator itself waits (Xen: alloc_heap_pages flushes what a domain had)",
  },
  needless: {
    class: "wasteful",
    sentence: "nothing that has to go can have been held",
    rule: "no descriptor was removed or changed since the flush before, no VMID or vCPU changed hands",
  },
  mergeable: {
    class: "wasteful",
    sentence: "one flush at the end of a run would do for all",
    rule: "nothing that the run removed was put to another use before its last flush",
  },
  "too-wide": {
    class: "wasteful",
    sentence: "all entries of a VMID went for one descriptor",
    rule: "TLBI IPAS2E1IS, DSB, TLBI VMALLE1IS leave the stage-2 entries of all other pages",
  },
} as const satisfies Record<string, KindRow>;

export type FindingKind = keyof typeof KINDS;
export const FINDING_KINDS = Object.keys(KINDS) as readonly FindingKind[];

/** Why a flush that was there does not count; the later in the list, the nearer it came. */
export const REASONS = {
  "no-flush": "no TLBI that applies was executed",
  "stage-1-only": "the TLBI removes what is combined, but not the stage-2 entry, from which it comes back",
  "wrong-vmid": "the TLBI was executed under another VMID",
  missed: "the TLBI's address, range or TTL misses it",
  "operand-unknown": "the log does not say the TLBI's operand",
  "vttbr-not-synchronised": "the TLBI may still have taken its VMID from the former VTTBR_EL2: no ISB since the write",
  "last-level-only": "the TLBI is for leaves only, and a table descriptor changed",
  "no-dsb-before":
    "no DSB with stores to ISH made the descriptor's change visible before the TLBI: a walk may fetch it again",
  "local-only": "the TLBI was local, and the VMID had run on other pCPUs",
  "stage-2-only": "the TLBI removes stage-2 entries only: combined ones (VA to PA) are left",
  "no-dsb-after": "no DSB completed the TLBI",
  "dsb-of-one-type": "the DSB behind the TLBI waits for loads or stores only, and completes no TLBI",
  "dsb-too-narrow": "the DSB behind the TLBI is of a narrower domain than the TLBI",
  "no-dsb-between":
    "no DSB completed the stage-2 TLBI before the next one: a walk may combine the old entry again in between",
  "no-repeat": "on this CPU (CVE-2025-10263) one more broadcast TLBI and one more DSB are wanted",
} as const;
export type Reason = keyof typeof REASONS;
export const REASON_WORDS = Object.keys(REASONS) as readonly Reason[];
