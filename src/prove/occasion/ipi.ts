/**
 * IPIs of a policy's code: the body of an `on` is executed on other pCPUs too, and waited for. An interrupt may come anywhere;
 * in a story it comes before what the pCPU does as a guest, or, where a write of it may land late, right behind that. How it is
 * told and answered is two words in memory: a Store-Release behind which all that stood before is there for who comes, and one
 * back. The interrupt's entry is a context synchronisation event.
 */
import { InputError } from "../../input/index.js";
import type { Equal, Pcpu, PcpuValue, Scenario } from "./scenario.js";
import { declare, type Item, maps, store } from "./tables.js";

/** Lines that stand for the sending of a pCPU's n-th IPI, and for the wait for its answers. */
export const sends = (n: number): string => `@send ${n}`;
export const waits = (n: number): string => `@wait ${n}`;
const PLACEHOLDER = /^@(send|wait) (\d+)(.*)$/;

/** In the code of a pCPU at EL2: here it takes IPIs. Nothing where none come. */
export const TAKES_IPIS = "@take";

const ipiWord = (n: number): string => `ipi${n}`;
const ackWord = (n: number, receiver: number): string => `ack${n}of${receiver}`;
const pageOfWord = (word: string): string => `p${word}`;

/** The scenario with its IPIs as instructions: one, or two where it matters on which side of the guest's access they come. */
export function withIpis(scenario: Scenario): Scenario[] {
  const pcpus = scenario.pcpus as readonly Pcpu[];
  const senders = pcpus.filter(({ ipis }) => ipis.length > 0);
  const [sender] = senders;
  if (sender === undefined) return [{ ...scenario, pcpus: pcpus.map(withoutPlaceholders) }];
  if (senders.length > 1) throw new InputError(`${scenario.name}: IPIs of two pCPUs to each other are not modelled`);
  const late = scenario.bad.some((equal) => "at" in equal);
  const sides = late ? (["", "in-flight"] as const) : ([""] as const);
  const receivers = pcpus.flatMap((on, i) => {
    const bodies = on === sender ? [] : sender.ipis.map(({ body }) => body(on));
    return bodies.some((body) => body !== undefined) ? [{ on, i, bodies }] : [];
  });
  const words = sender.ipis.flatMap((_, n) => [ipiWord(n), ...receivers.map(({ i }) => ackWord(n, i))]);
  const acks: Equal[] = [];
  const sending = answered(sender, pcpus.indexOf(sender), receivers, acks);
  const taking = new Map(receivers.map(({ on, bodies, i }) => [on, taken(scenario, on, i, bodies)]));
  return (receivers.length === 0 ? sides.slice(0, 1) : sides).map((side) => ({
    ...scenario,
    name: side === "" ? scenario.name : `${scenario.name}.${side}`,
    title: side === "" ? scenario.title : `${scenario.title}; the IPI comes right behind that`,
    tables: receivers.length === 0 ? scenario.tables : withWords(scenario.tables, words),
    pcpus: pcpus.map((on): PcpuValue => {
      if (on === sender) return sending;
      const value = taking.get(on);
      if (value === undefined) return withoutPlaceholders(on);
      return value.interrupted ? { ...value.pcpu, lines: interrupted(value.pcpu.lines, side) } : value.pcpu;
    }),
    bad: [...scenario.bad, ...acks],
  }));
}

const INTERRUPT = "HVC #0                // an IPI comes";
const interrupted = (lines: readonly string[], side: "" | "in-flight"): string[] =>
  side === "" ? [INTERRUPT, ...lines] : [...lines, INTERRUPT];

const plain = ({ title, el, lines, hypervisor, registers, sysregs }: PcpuValue): PcpuValue => ({
  ...{ title, el, lines, hypervisor, registers, sysregs },
});

function withoutPlaceholders(on: Pcpu): PcpuValue {
  if (!on.hypervisor.includes(TAKES_IPIS)) return on;
  return { ...plain(on), hypervisor: on.hypervisor.filter((line) => line !== TAKES_IPIS) };
}

/** The sender, with its flags and the answers that it waits for, all of which must have come: they go to `acks`. */
function answered(
  on: Pcpu,
  index: number,
  receivers: readonly { readonly i: number; readonly bodies: readonly (readonly string[] | undefined)[] }[],
  acks: Equal[],
): PcpuValue {
  const expand = (line: string, end: string): string[] => {
    const [, what, number, remark] = PLACEHOLDER.exec(line) ?? [];
    if (what === undefined) return [line];
    const n = Number(number);
    const those = receivers.filter(({ bodies }) => bodies[n] !== undefined);
    if (those.length === 0) return [];
    if (what === "send") return [`STLR ${on.number(1)},[${on.constant(ipiWord(n))}]${remark}`];
    return those.flatMap(({ i }) => {
      const ack = on.result();
      acks.push({ pcpu: index, register: ack, value: 1 });
      return [`LDAR ${ack},[${on.constant(ackWord(n, i))}]${remark}`, `CBZ ${ack},${end}`];
    });
  };
  // Where no answer has come the story ends: it is told of those in which one has.
  const waiting = on.lines.flatMap((line) => expand(line, "unanswered"));
  const lines = waiting.length === on.lines.length ? waiting : [...waiting, "unanswered:", "NOP"];
  return { ...plain(on), lines, hypervisor: on.hypervisor.flatMap((line) => expand(line, "fault")) };
}

/** A pCPU that takes IPIs: as a guest, or where its code at EL2 says so. */
function taken(
  { name }: Scenario,
  on: Pcpu,
  index: number,
  bodies: readonly (readonly string[] | undefined)[],
): { readonly pcpu: PcpuValue; readonly interrupted: boolean } {
  const handler = bodies.flatMap((body, n): string[] => {
    if (body === undefined) return [];
    const seen = on.result();
    return [
      `LDAR ${seen},[${on.constant(ipiWord(n))}]      // the IPI`,
      `CBZ ${seen},fault`,
      "ISB",
      ...body,
      `STLR ${on.number(1)},[${on.constant(ackWord(n, index))}]      // its answer`,
    ];
  });
  if (on.hypervisor.includes(TAKES_IPIS)) {
    const hypervisor = on.hypervisor.flatMap((line) => (line === TAKES_IPIS ? handler : [line]));
    return { pcpu: { ...plain(on), hypervisor }, interrupted: false };
  }
  if (on.el === 2 || on.hypervisor.length > 0)
    throw new InputError(
      `${name}: an IPI to ${on.title.replace(/,.*/, "")}, which may be at EL2 then, is not modelled`,
    );
  return { pcpu: { ...plain(on), hypervisor: [...handler, "ERET"] }, interrupted: true };
}

/** The tables with words through which pCPUs tell each other, in the hypervisor's own map. */
function withWords(tables: readonly Item[], words: readonly string[]): Item[] {
  const map = words.map((word) => maps(word, pageOfWord(word)));
  return [
    declare("virtual", ...words),
    declare("physical", ...words.map(pageOfWord)),
    ...tables.map((item) =>
      item.kind === "table" && item.name === "hyp_map" ? { ...item, body: [...item.body, ...map] } : item,
    ),
    ...words.map((word) => store(pageOfWord(word), 0)),
  ];
}
