/** Published errata of TLB maintenance and translation, by their numbers: what vendors and kernels say of them, shortened. */
import { type Erratum, type Symptom, WORKAROUNDS } from "./errata.js";

const RST = "Linux, Documentation/arch/arm64/silicon-errata.rst";
const KCONFIG = "Linux, arch/arm64/Kconfig";
const REPEAT = WORKAROUNDS["repeat-tlbi"].remedy;
const FETCH = "it is about instruction fetch, which the model does not have";

/** One that the model can say. */
const said = (
  number: string,
  cpus: string,
  symptoms: readonly Symptom[],
  text: string,
  source: string,
  vendor = "Arm",
): Erratum => ({ number, vendor, cpus, symptoms, text, remedy: REPEAT, source });

/** One that it cannot, and why. */
const beyond = (
  number: string,
  cpus: string,
  outside: string,
  text: string,
  remedy: string,
  source: string,
  vendor = "Arm",
): Erratum => ({ number, vendor, cpus, symptoms: [], text, outside, remedy, source });

const CVE = "CVE-2025-10263";
const LATE_WRITES = "a broadcast TLBI and its DSB may complete before writes of other PEs through an entry that it removed are globally observed"; // biome-ignore format: one row
const CVE_SOURCE = "XSA-493; Linux, ARM64_ERRATUM_4118414 (Kconfig and silicon-errata.rst, June 2026)";
/** One vulnerability, and each core's number of it. */
const CVE_NUMBERS: readonly (readonly [number: string, cpus: string, vendor?: string])[] = [
  ["4118414", "Cortex-X4"],
  ["4193780", "C1-Ultra, C1-Premium"],
  ["4193781", "Cortex-X925"],
  ["4193784", "Neoverse V3, V3AE"],
  ["4193786", "Cortex-X3"],
  ["4193787", "Neoverse V2"],
  ["4193788", "Cortex-A710, X2"],
  ["4193789", "Neoverse N2, Microsoft Cobalt 100"],
  ["4193790", "Neoverse V1"],
  ["4193791", "Cortex-A78, X1"],
  ["4193792", "Cortex-X1C"],
  ["4193793", "Cortex-A78AE"],
  ["4193794", "Cortex-A78C"],
  ["4193798", "Cortex-A77"],
  ["4193800", "Cortex-A76, Neoverse N1"],
  ["4193801", "Cortex-A76AE"],
  ["T410-OLY-1029", "Olympus", "NVIDIA"],
];

/** Why what happens while EL1&0 is out of context is not judged. */
const OUT_OF_CONTEXT =
  "a speculative AT at EL2 walks for EL1&0 while its context is half switched: prove takes for given that the hypervisor works around that, with registers that no policy writes (--without out-of-context shows what hangs on it)";
const AT_TEXT = "a speculative AT instruction may fill the TLB through an EL1&0 context that is half switched";
const AT_REMEDY = "stage-1 and stage-2 walks are switched off, or the context is inert, while it is switched";
const CNP =
  "shared entries (CnP = 1) that go wrong: the model has them as the architecture does, and prove's scenarios have CnP = 0";

/** All errata that have a row here; a CPU's file may tell of others. */
export const ERRATA: readonly Erratum[] = [
  said(CVE, "most of Arm's cores from Cortex-A76 on; NVIDIA Olympus", ["repeat-tlbi"], LATE_WRITES, CVE_SOURCE),
  ...CVE_NUMBERS.map(([number, cpus, vendor]) => ({
    ...said(number, cpus, ["repeat-tlbi"], LATE_WRITES, CVE_SOURCE, vendor),
    cve: CVE,
  })),
  said(
    "1286807",
    "Cortex-A76 and Neoverse N1 r0p0 to r3p0; Qualcomm Kryo 4xx Gold",
    ["repeat-tlbi-reads"],
    "TLBI and DSB may complete before a read through the entry that is removed has been observed",
    `Xen, docs/misc/arm/silicon-errata.txt; ${KCONFIG}`,
  ),
  said(
    "2441007",
    "Cortex-A55, all versions",
    ["repeat-tlbi", "repeat-tlbi-reads"],
    "completion of affected memory accesses might not be guaranteed by completion of a TLBI: a store may reach a page that has been unmapped",
    `${KCONFIG}; ${RST}. It speaks of accesses, so reads are taken to be affected too`,
  ),
  said(
    "2441009",
    "Cortex-A510 r0p0 to r1p1",
    ["repeat-tlbi", "repeat-tlbi-reads"],
    "completion of affected memory accesses might not be guaranteed by completion of a TLBI: a store may reach a page that has been unmapped",
    `${KCONFIG}; ${RST}. It speaks of accesses, so reads are taken to be affected too`,
  ),
  beyond(
    "falkor-1009",
    "Falkor v1, Kryo",
    "the DSB itself may complete before the TLBI has: in the model a DSB always waits for its TLBIs",
    "a DSB that follows a broadcast TLBI may complete prematurely",
    "the TLBI once more, and one more DSB",
    `${KCONFIG}, QCOM_FALKOR_ERRATUM_1009`,
    "Qualcomm",
  ),
  beyond(
    "falkor-1003",
    "Falkor v1, Kryo",
    "a walk cache entry with an ASID of no register: the model fills entries under the ASID of TTBRn_EL1 only",
    "an incorrect ASID may be cached when ASID and address are changed together in TTBRn_EL1",
    "walk cache entries are invalidated where both are changed",
    `${KCONFIG}, QCOM_FALKOR_ERRATUM_1003`,
    "Qualcomm",
  ),
  beyond("1165522", "Cortex-A76 and Neoverse N1", OUT_OF_CONTEXT, AT_TEXT, AT_REMEDY, `Xen, docs/misc/arm/silicon-errata.txt; ${RST}`), // biome-ignore format: one row
  beyond("1319367", "Cortex-A72", OUT_OF_CONTEXT, AT_TEXT, AT_REMEDY, `Xen, docs/misc/arm/silicon-errata.txt; ${RST}`),
  beyond("1319537", "Cortex-A57", OUT_OF_CONTEXT, AT_TEXT, AT_REMEDY, `Xen, docs/misc/arm/silicon-errata.txt; ${RST}`),
  beyond("1530923", "Cortex-A55", OUT_OF_CONTEXT, AT_TEXT, AT_REMEDY, `Xen, docs/misc/arm/silicon-errata.txt; ${RST}`),
  beyond(
    "1542418",
    "Cortex-A77",
    FETCH,
    "a stale instruction may be fetched after an ASID or VMID is used again",
    "60 ASIDs or VMIDs are selected before one is used again",
    "linux-arm-kernel, 14 November 2019, 'arm64: Add workaround for Cortex-A77 erratum 1542418' (not merged)",
  ),
  beyond(
    "1542419",
    "Neoverse N1",
    FETCH,
    "a stale instruction may be executed after another PE has modified it",
    "cache maintenance by VA is trapped, and a TLBI executed",
    `${RST}, ARM64_ERRATUM_1542419`,
  ),
  beyond(
    "2645198",
    "Cortex-A715",
    FETCH,
    "ESR_ELx and FAR_ELx may be wrong at an instruction abort after a page has become non-executable",
    "break-before-make for such changes",
    `${RST}, ARM64_ERRATUM_2645198`,
  ),
  beyond(
    "cavium-27456",
    "ThunderX",
    FETCH,
    "broadcast TLBIs may corrupt the instruction cache",
    "the instruction cache is invalidated where the context changes",
    `${KCONFIG}, CAVIUM_ERRATUM_27456`,
    "Cavium",
  ),
  beyond(
    "4193714",
    "C1-Pro",
    "accesses by SME are no instructions of the model",
    "a broadcast may be acknowledged before accesses by SME are complete",
    "an IPI to CPUs that use SME, besides the TLBI",
    `${KCONFIG}, ARM64_ERRATUM_4193714`,
  ),
  beyond(
    "1024718",
    "Cortex-A55",
    "hardware's update of the dirty state goes wrong: the model has it as the architecture does, and in prove's scenarios hardware updates nothing",
    "the dirty state may be updated wrongly where DBM or AP change without break-before-make",
    "hardware does not manage the dirty state",
    `${RST}, ARM64_ERRATUM_1024718`,
  ),
  beyond(
    "AC03_CPU_38",
    "AmpereOne",
    "hardware's update of a descriptor that is invalid already: the model has updates as the architecture does, and in prove's scenarios hardware updates nothing",
    "though not advertised, hardware may update access flag and dirty state after a descriptor was made invalid",
    "TCR_ELx.HA and HD stay 0, those of VTCR_EL2 too",
    `${KCONFIG}, AMPERE_ERRATUM_AC03_CPU_38`,
    "Ampere",
  ),
  beyond(
    "AC04_CPU_23",
    "AmpereOne AC04",
    "a write of HCR_EL2 that corrupts translations under way: no policy writes HCR_EL2, and the model's registers corrupt nothing",
    "a write of HCR_EL2 may corrupt translations of data accesses around it",
    "a DSB before the write and an ISB behind it",
    `${KCONFIG}, AMPERE_ERRATUM_AC04_CPU_23`,
    "Ampere",
  ),
  beyond(
    "carmel-cnp",
    "Carmel",
    CNP,
    "with CnP = 1 a local TLBI does not remove shared entries that another core installed",
    "CnP stays 0",
    `${KCONFIG}, NVIDIA_CARMEL_CNP_ERRATUM`,
    "NVIDIA",
  ),
  beyond(
    "162100125",
    "Hip09",
    CNP,
    "with CnP = 1 entries may be shared between cores that should not be",
    "CnP stays 0",
    "linux-arm-kernel, 'arm64: errata: Work around HiSilicon erratum 162100125' (posted)",
    "HiSilicon",
  ),
];

/** The erratum of a number, as its vendor writes it; upper and lower case are the same. */
export const erratumOf = (number: string): Erratum | undefined =>
  ERRATA.find((row) => row.number.toLowerCase() === number.toLowerCase());
