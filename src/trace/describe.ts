/** An event in one line of words, for people: descriptors, operands and registers taken apart. */
import {
  AF,
  AP_EL0,
  AP_RO,
  CONTIG_HI,
  decodeOperand,
  descriptorKind,
  hex,
  idOf,
  NG,
  outputPage,
  pageHi,
  pageLo,
  S2AP_R,
  S2AP_W,
  TLBI_OPS,
  VALID,
  XN_HI,
} from "../arch/index.js";
import type { EventBuffer } from "./buffer.js";
import { HYPERVISOR, Kind, type Names, NO_DOMAIN, NO_LEVEL, nameOf, Unknown } from "./event.js";

const address = (page: number): string => hex(pageLo(page), pageHi(page));
const count = (n: number): string => n.toLocaleString("en");

/** "d0" for a domain id, "no domain" for NO_DOMAIN, "the hypervisor" for its own pages. */
export const domainName = (domain: number): string =>
  domain === NO_DOMAIN ? "no domain" : domain === HYPERVISOR ? "the hypervisor" : `d${domain}`;

/** Event `i` of a block, without its context (pCPU, domain, VMID, site): "S2 L3[5] 0x90000028: invalid -> page 0x40000000 rwx AF". */
export function describeEvent(b: EventBuffer, i: number, names: Names): string {
  const kind = b.kind[i]!;
  const name = nameOf(kind, b.code[i]!, names);
  const at = hex(b.address[2 * i]!, b.address[2 * i + 1]!);
  const from = hex(b.from[2 * i]!, b.from[2 * i + 1]!);
  const [toLo, toHi] = [b.to[2 * i]!, b.to[2 * i + 1]!];
  const to = hex(toLo, toHi);
  const level = b.level[i]! === NO_LEVEL ? "" : ` L${b.level[i]!}`;
  switch (kind) {
    case Kind.write: {
      const stage = b.stage[i]!;
      const before = describeDescriptor(b.from[2 * i]!, b.from[2 * i + 1]!, stage, b.level[i]!);
      const release = b.code[i] === 0 ? "" : ", release";
      return `S${stage}${level}[${b.slot[i]!}] ${at}: ${before} -> ${describeDescriptor(toLo, toHi, stage, b.level[i]!)}${release}`;
    }
    case Kind.tlbi:
      if ((b.unknown[i]! & Unknown.operand) !== 0) return `TLBI ${name} operand unknown`;
      return `TLBI ${name}${describeOperand(b.code[i]!, toLo, toHi)}`;
    case Kind.sysreg: {
      const id = name === "VTTBR_EL2" ? "VMID" : /^TTBR._EL1$/.test(name) ? "ASID" : undefined;
      return `${name} := ${to}${id ? ` (${id} ${idOf(toHi)})` : ""}, was ${from}`;
    }
    case Kind.access:
      return `${name} VA ${at} -> IPA ${from} -> PA ${to}${level === "" ? "" : `, mapped at${level}`}`;
    case Kind.owner:
      return `PA ${at}: ${domainName(b.from[2 * i]!)} -> ${domainName(toLo)}`;
    case Kind.fault:
      return `${name} fault at stage ${b.stage[i]!}${level}: VA ${at}, IPA ${from}`;
    case Kind.begin:
    case Kind.end:
      return `${kind === Kind.begin ? "{" : "}"} ${name.replace(":", " ")}${describeMark(kind, name, toLo, toHi)}`;
    case Kind.exit: {
      const leaf = b.address[2 * i]! === 0 ? "" : `: IPA ${from}, a leaf of ${count(b.address[2 * i]! / 1024)} KiB`;
      return `exit ${name}${leaf}`;
    }
    case Kind.lock:
      return `${name} ${at}`;
    case Kind.hint:
      return `${name} ${at}${toLo === 0 && toHi === 0 ? "" : ` ${to}`}`;
    default:
      return name;
  }
}

/** What `to` says at a mark: see MARKS. */
function describeMark(kind: number, name: string, lo: number, hi: number): string {
  if (kind === Kind.begin) {
    if (name.startsWith("domain:")) return ` d${lo}`;
    if (name.startsWith("vcpu-switch:")) return ` to vCPU ${lo}`;
    return lo === 0 && hi === 0 ? "" : ` ${hex(lo, hi)}`;
  }
  // A negative result is two's complement.
  const result = hi === 0xffff_ffff && lo >= 0x8000_0000 ? String(lo | 0) : hex(lo, hi);
  return name.startsWith("hypercall:") || result !== "0x0" ? ` = ${result === "0x0" ? "0" : result}` : "";
}

/** A descriptor at a level (4 KiB granule) of stage 1 or 2: kind, address, permissions and flags. */
function describeDescriptor(lo: number, hi: number, stage: number, level: number): string {
  if ((lo & VALID) === 0) return lo === 0 && hi === 0 ? "0" : `invalid ${hex(lo, hi)}`;
  const kind = descriptorKind(lo, level);
  if (kind === "invalid") return `reserved ${hex(lo, hi)}`;
  const page = outputPage(lo, hi);
  if (kind === "table") return `table ${address(page)}`;
  const xn = (hi & XN_HI) !== 0;
  const rights =
    stage === 2
      ? `${lo & S2AP_R ? "r" : "-"}${lo & S2AP_W ? "w" : "-"}${xn ? "-" : "x"}`
      : `r${lo & AP_RO ? "-" : "w"}${xn ? "-" : "x"}${lo & AP_EL0 ? " EL0" : ""}${lo & NG ? " nG" : ""}`;
  return `${kind} ${address(page)} ${rights}${lo & AF ? " AF" : ""}${hi & CONTIG_HI ? " contiguous" : ""}`;
}

function describeOperand(op: number, lo: number, hi: number): string {
  const fields = decodeOperand(TLBI_OPS[op]!.operand, lo, hi);
  switch (fields.kind) {
    case "none":
      return "";
    case "asid":
      return ` ASID ${fields.asid}`;
    case "va":
      return ` VA ${address(fields.page)} ASID ${fields.asid}${ttl(fields.ttl)}`;
    case "ipa":
      return ` IPA ${address(fields.page)}${ttl(fields.ttl)}`;
    default: {
      const { granuleBits, base, granules } = fields;
      if (granuleBits === undefined) return ` ${hex(lo, hi)} (TG reserved: reaches nothing)`;
      const start = address(base * 2 ** (granuleBits - 12));
      const what = fields.kind === "ipa-range" ? "IPA" : "VA";
      const asid = fields.kind === "va-range" ? ` ASID ${fields.asid}` : "";
      const hint = fields.ttl === 0 ? "" : ` TTL ${fields.ttl}`;
      const size = granuleBits === 12 ? "pages" : `pages of ${2 ** (granuleBits - 10)} KiB`;
      return ` ${what} ${start} + ${count(granules)} ${size} (SCALE ${fields.scale} NUM ${fields.num})${asid}${hint}`;
    }
  }
}

/** The TTL field of a single-address operand: [3:2] the granule, [1:0] the level; 0 is no hint. */
const ttl = (field: number): string => (field >> 2 === 0 ? "" : ` TTL L${field & 3}`);
