/** `shootdown probe`: counts what KVM of a kernel does for each TLBI of a guest hypervisor, beside what the model says. */
import { type Command, Option } from "commander";
import { checkCache } from "../capture/index.js";
import { loadHost } from "../catalog/index.js";
import { writeWhole } from "../files/index.js";
import { runProbe } from "../jobs/index.js";
import { probeTable, probeText } from "../report/index.js";
import {
  CPUS,
  type Cpu,
  defaultCpu,
  findStack,
  opsNamed,
  PA_BITS,
  PAGE_SIZES,
  type PageSize,
  planStack,
} from "../stack/index.js";
import { type FormOptions, printForm, withForms } from "./forms.js";
import { collect, numberUpTo } from "./options.js";
import { outputWidth, print, printJson } from "./output.js";
import { type SetUpOptions, setUp, setUpOptions } from "./set-up.js";

/** What the host is asked to be. */
export interface HostOptions {
  readonly hostKernel?: string;
  readonly paBits: string;
  readonly hostPages: "huge" | "small";
  readonly erratum: "on" | "off";
}

interface Options extends FormOptions, SetUpOptions, HostOptions {
  readonly pageSize: PageSize;
  readonly cpu?: Cpu;
  readonly op?: readonly string[];
  readonly host?: string;
  readonly qemu?: string;
  readonly timeout: number;
  readonly output?: string;
}

export function register(program: Command): void {
  const command = program
    .command("probe")
    .description("boot a real Linux with KVM under QEMU, and count what it does for each TLBI of a guest hypervisor");
  for (const option of [...setUpOptions("a compiler and Debian's kernels for the host"), ...hostOptions()])
    command.addOption(option);
  command
    .option(
      "--op <names>",
      "only these TLBIs; may be repeated, or a list with commas (default: all without nXS)",
      collect,
    )
    .option("--host <host>", "whose prediction stands beside the counts (default: by kernel and CPU)")
    .option("-o, --output <file>", "also write all of it as JSON, for 'diff' and 'calibrate'")
    .option("--json", "print JSON");
  withForms(command, "the cells").action(async (options: Options) => {
    checkCache();
    await (options.setup ? setUp(options, "probe", findStack(), planStack) : run(options));
  });
}

/** What the host is. */
export const hostOptions = (): Option[] => [
  new Option("--host-kernel <file>", "the host's Linux, an arm64 Image (default: Debian's newest that is released)"),
  new Option("--pa-bits <n>", "bits of PA of the host, which decide the size of its shadows")
    .choices(PA_BITS.map(String))
    .default("48"),
  new Option("--host-pages <kind>", "the host's own pages behind the guest's memory")
    .choices(["huge", "small"])
    .default("huge"),
  new Option("--page-size <size>", "of the host's kernel").choices(PAGE_SIZES).default("4K"),
  new Option("--erratum <state>", "whether the CPU has the erratum that Linux repeats TLBIs for")
    .choices(["on", "off"])
    .default("off"),
  new Option("--cpu <model>", "QEMU's CPU model (default: max at 48 and 52 bits, else neoverse-n2)").choices(CPUS),
  new Option("--qemu <file>", "a qemu-system-aarch64 of your own, with plugins (default: Debian's)"),
  new Option("--timeout <seconds>", "most CPU time that QEMU may use").default(900).argParser(numberUpTo(86_400)),
];

async function run(options: Options): Promise<void> {
  const paBits = Number(options.paBits);
  const cpu = options.cpu ?? defaultCpu(paBits);
  const probe = await runProbe(
    {
      ...{ qemu: options.qemu, kernel: options.hostKernel, pageSize: options.pageSize, timeout: options.timeout },
      machine: { cpu, paBits, erratum: options.erratum === "on", memoryMib: 1024 },
      hostPages: options.hostPages,
      ops: opsNamed(options.op),
    },
    options.host === undefined ? undefined : loadHost(options.host),
  );
  if (options.output !== undefined) writeWhole(options.output, `${JSON.stringify(probe, null, 2)}\n`);
  if (printForm(options, { csv: () => probeTable(probe) })) return;
  if (options.json) printJson(probe);
  else print(probeText(probe, outputWidth()));
}
