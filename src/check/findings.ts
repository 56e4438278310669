/** Findings, grouped by kind, reason and call path: how often, where first, and the events around. */
import { TLBI_OPS } from "../arch/index.js";
import { describeEvent, domainName, EventBuffer, type Names } from "../trace/index.js";
import {
  CLASSES,
  FINDING_KINDS,
  type FindingClass,
  type FindingKind,
  KINDS,
  REASON_WORDS,
  type Reason,
} from "./kinds.js";

/** Occurrences that are kept of a group, and events around each. */
const OCCURRENCES = 3;
const BEFORE = 6;
const AFTER = 3;
/** Groups that are kept; further ones are counted. */
const MAX_GROUPS = 4096;
/** Places that are kept for a time axis, evenly thinned out. */
const MAX_PLACES = 512;

/** Numbers that a reason, and a site, may have in a group's key. */
const REASON_KEYS = 32;
const SITE_KEYS = 0x1_0000;
const KIND_NUMBERS = Object.fromEntries(FINDING_KINDS.map((kind, i) => [kind, i])) as Record<FindingKind, number>;

/** An event beside an occurrence. */
interface NearbyEvent {
  /** number of the event in the trace, from 0 */
  readonly event: number;
  readonly pcpu: number;
  readonly text: string;
  readonly site: string;
}

interface Occurrence {
  /** number of the event at which it shows */
  readonly event: number;
  readonly pcpu: number;
  readonly vmid: number;
  readonly domain: string;
  /** the same in this case: which page, which address, since when */
  readonly detail: string;
  /** number of the event that began it (the removal, the first flush of a run); the same as `event` where there is none */
  readonly since: number;
  readonly around: readonly NearbyEvent[];
}

/** What of its TLBIs a wasteful group executed, and what could be saved: instructions by name. */
interface Waste {
  readonly tlbi: Readonly<Record<string, number>>;
  readonly saved: Readonly<Record<string, number>>;
  /** what would have to be executed in their place */
  readonly instead: Readonly<Record<string, number>>;
}

/** A group of findings. */
export interface Finding {
  readonly kind: FindingKind;
  readonly class: FindingClass;
  readonly sentence: string;
  readonly rule: string;
  readonly reason: Reason | null;
  /** call path of what it is about: the removal, the flush; "" where the trace does not say */
  readonly site: string;
  readonly count: number;
  readonly first: readonly Occurrence[];
  /** events between a promise and its flush, of what is late: the longest window and all together */
  readonly window: { readonly longest: number; readonly sum: number } | null;
  readonly waste: Waste | null;
  /** some of the events at which it shows, for a time axis */
  readonly places: readonly number[];
}

interface Group {
  readonly kind: FindingKind;
  readonly reason: Reason | undefined;
  readonly site: string;
  count: number;
  readonly first: MutableOccurrence[];
  longest: number;
  windows: number;
  /** of what is wasted, by code of the TLBI: executed, saved, and what would come in its place */
  readonly tlbi: Float64Array;
  readonly saved: Float64Array;
  readonly instead: Float64Array;
  places: number[];
  /** one in so many is kept */
  stride: number;
}

type MutableOccurrence = { -readonly [K in keyof Occurrence]: Occurrence[K] } & {
  around: NearbyEvent[];
  wanted: number;
};

/** What a finding says beside its kind. */
interface Said {
  readonly reason?: Reason;
  readonly site: number;
  readonly detail: () => string;
  readonly since?: number;
  /** number of the event, where it is another one than that at hand */
  readonly event?: number;
  /** VMID, where it is not the event's */
  readonly vmid?: number;
  /** events between the promise and the flush */
  readonly window?: number;
  /** how many it stands for; 1 */
  readonly times?: number;
}

export class Findings {
  /** by kind, reason and site, in one number */
  private readonly groups = new Map<number, Group>();
  /** groups beyond {@link MAX_GROUPS} */
  lost = 0;
  private block: EventBuffer | undefined;
  private names: Names | undefined;
  private first = 0;
  /** events of the blocks that are done */
  private seen = 0;
  private readonly tail = new EventBuffer(BEFORE);
  private open: MutableOccurrence[] = [];

  /** A block whose first event has this number. */
  begin(block: EventBuffer, names: Names, first: number): void {
    this.block = block;
    this.names = names;
    this.first = first;
    for (const one of this.open) this.after(one);
    this.open = this.open.filter(({ wanted }) => wanted > 0);
  }

  /** The end of the block: its last events are kept for the next one. */
  end(): void {
    const block = this.block!;
    const n = Math.min(BEFORE, block.length);
    if (block.length < BEFORE && this.tail.length + n > BEFORE) this.tail.clear();
    if (block.length >= BEFORE) this.tail.clear();
    this.tail.append(block, block.length - n, n);
    this.seen = this.first + block.length;
    this.block = undefined;
  }

  /**
   * One finding more of a group without a reason whose first occurrences are all told, at event `i` of the block: what makes
   * millions of them cheap. Undefined where {@link add} must tell it.
   */
  again(kind: FindingKind, i: number, site: number): Group | undefined {
    const group = this.groups.get(KIND_NUMBERS[kind] * REASON_KEYS * SITE_KEYS + site);
    if (group === undefined || group.first.length < OCCURRENCES) return undefined;
    this.count(group, this.first + i, 1);
    return group;
  }

  private count(group: Group, event: number, times: number): void {
    if (group.count % group.stride === 0) {
      group.places.push(event);
      if (group.places.length === MAX_PLACES) {
        group.places = group.places.filter((_, n) => n % 2 === 0);
        group.stride *= 2;
      }
    }
    group.count += times;
  }

  /** A finding at event `i` of the block (-1: at the end of the trace). */
  add(kind: FindingKind, i: number, said: Said): Group | undefined {
    const reason = said.reason === undefined ? 0 : REASON_WORDS.indexOf(said.reason) + 1;
    const key = (KIND_NUMBERS[kind] * REASON_KEYS + reason) * SITE_KEYS + said.site;
    let group = this.groups.get(key);
    if (group === undefined) {
      if (this.groups.size === MAX_GROUPS) {
        this.lost++;
        return undefined;
      }
      group = emptyGroup(kind, said.reason, this.names?.list[said.site] ?? "");
      this.groups.set(key, group);
    }
    const event = said.event ?? (i < 0 ? this.seen : this.first + i);
    this.count(group, event, said.times ?? 1);
    group.longest = Math.max(group.longest, said.window ?? 0);
    group.windows += said.window ?? 0;
    if (group.first.length < OCCURRENCES) group.first.push(this.occurrence(event, i, said));
    return group;
  }

  private occurrence(event: number, i: number, said: Said): MutableOccurrence {
    const b = this.block;
    const known = b !== undefined && i >= 0 && said.event === undefined;
    const one: MutableOccurrence = {
      event,
      pcpu: known ? b.pcpu[i]! : 0,
      vmid: said.vmid ?? (known ? b.vmid[i]! : 0),
      domain: known ? domainName(b.domain[i]!) : domainName(0x7ff4),
      detail: said.detail(),
      since: said.since ?? event,
      around: [],
      wanted: known ? AFTER : 0,
    };
    if (!known) return one;
    const back = Math.min(BEFORE, i);
    for (let n = Math.max(0, this.tail.length - (BEFORE - back)); n < this.tail.length; n++)
      one.around.push(this.nearby(this.tail, n, this.first - this.tail.length + n));
    for (let n = i - back; n <= i; n++) one.around.push(this.nearby(b, n, this.first + n));
    this.after(one);
    if (one.wanted > 0) this.open.push(one);
    return one;
  }

  /** Events behind an occurrence, as far as the block at hand has them. */
  private after(one: MutableOccurrence): void {
    const b = this.block!;
    for (let n = one.event + AFTER - one.wanted + 1 - this.first; one.wanted > 0 && n < b.length; n++, one.wanted--)
      one.around.push(this.nearby(b, n, this.first + n));
  }

  private nearby(b: EventBuffer, n: number, event: number): NearbyEvent {
    const names = this.names!;
    return { event, pcpu: b.pcpu[n]!, text: describeEvent(b, n, names), site: names.list[b.site[n]!]! };
  }

  /** The findings, the worst first: by class, by kind as they are listed, then the most frequent. */
  list(): Finding[] {
    const classes = Object.keys(CLASSES);
    const kinds = Object.keys(KINDS);
    const rank = ({ kind }: Group): number => classes.indexOf(KINDS[kind].class) * 100 + kinds.indexOf(kind);
    return [...this.groups.values()]
      .sort((a, b) => rank(a) - rank(b) || b.count - a.count)
      .map((group) => ({
        kind: group.kind,
        class: KINDS[group.kind].class,
        sentence: KINDS[group.kind].sentence,
        rule: KINDS[group.kind].rule,
        reason: group.reason ?? null,
        site: group.site,
        count: group.count,
        first: group.first.map(({ wanted: _, ...one }) => one),
        window: KINDS[group.kind].class === "late" ? { longest: group.longest, sum: group.windows } : null,
        waste:
          KINDS[group.kind].class === "wasteful"
            ? {
                tlbi: byName(group.tlbi),
                saved: byName(group.saved),
                instead: byName(group.instead),
              }
            : null,
        places: group.places,
      }));
  }
}

const NOTHING = new Float64Array(0);
const countsOf = (kind: FindingKind): Float64Array =>
  KINDS[kind].class === "wasteful" ? new Float64Array(TLBI_OPS.length) : NOTHING;

/** Counts by name, of those that are not 0. */
function byName(counts: Float64Array): Record<string, number> {
  const named: Record<string, number> = {};
  for (const [code, n] of counts.entries()) if (n > 0) named[TLBI_OPS[code]!.name] = n;
  return named;
}

const emptyGroup = (kind: FindingKind, reason: Reason | undefined, site: string): Group => ({
  kind,
  reason,
  site,
  count: 0,
  first: [],
  longest: 0,
  windows: 0,
  tlbi: countsOf(kind),
  saved: countsOf(kind),
  instead: countsOf(kind),
  places: [],
  stride: 1,
});
