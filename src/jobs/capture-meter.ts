/** Progress of a capture on a terminal (standard error); nothing on a pipe. */
import type { CaptureProgress, Phase } from "../capture/index.js";
import { ProgressLine } from "./progress.js";

const DOING: Readonly<Record<Phase, string>> = {
  "xen-boot": "booting Xen",
  "dom0-build": "Xen builds dom0",
  "dom0-boot": "booting dom0",
  create: "creating the domU",
  run: "the domU runs",
  destroy: "destroying the domU",
};

export class CaptureMeter {
  private readonly line = new ProgressLine(0);

  /** So far: of how many pages while they are unmapped, words otherwise. */
  update({ phase, tlbis, removals, pages }: CaptureProgress): void {
    const count = (n: number): string => n.toLocaleString("en");
    const unmapped =
      phase === "create" && removals > 0 ? `  ${count(removals)} of ${count(Math.max(pages, removals))} pages` : "";
    this.line.show(() => `${DOING[phase]}${unmapped}  ${count(tlbis)} TLBIs`);
  }

  /** Words only. */
  doing(text: string): void {
    this.line.show(() => text);
  }

  stop(): void {
    this.line.stop();
  }
}
