/** Progress of a capture on a terminal (standard error); nothing on a pipe. */
import type { SingleBar } from "cli-progress";
import type { CaptureProgress, Phase } from "../capture/index.js";

const DOING: Readonly<Record<Phase, string>> = {
  "xen-boot": "booting Xen",
  "dom0-build": "Xen builds dom0",
  "dom0-boot": "booting dom0",
  create: "creating the domU",
  run: "the domU runs",
  destroy: "destroying the domU",
};

export class CaptureMeter {
  private bar: SingleBar | undefined;
  private total = -1;

  /** So far: a bar over the pages while they are unmapped, words otherwise. */
  update({ phase, tlbis, removals, pages }: CaptureProgress): void {
    const total = phase === "create" && removals > 0 ? Math.max(pages, removals) : 0;
    void this.show(DOING[phase], total, removals, `${tlbis.toLocaleString("en")} TLBIs`);
  }

  /** Words only. */
  doing(text: string): void {
    void this.show(text, 0, 0, "");
  }

  private async show(doing: string, total: number, value: number, tlbis: string): Promise<void> {
    if (!process.stderr.isTTY) return;
    if (this.bar === undefined || this.total > 0 !== total > 0) {
      const { SingleBar } = (await import("cli-progress")).default;
      this.bar?.stop();
      const format = total > 0 ? "{doing}  {bar} {value} of {total} pages  {tlbis}" : "{doing}  {tlbis}";
      this.bar = new SingleBar({ format, clearOnComplete: true, fps: 5, barsize: 20 });
      this.bar.start(total, value, { doing, tlbis });
      this.total = total;
    }
    this.bar.setTotal(total);
    this.bar.update(value, { doing, tlbis });
  }

  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}
