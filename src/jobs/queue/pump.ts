/** Hands over what waits, one go at a time: whoever adds something wakes it, and none of what was added is left lying. */
export class Pump {
  private running = false;

  /** `work` hands over what it can; `more` says whether something waits that could go; `failed` hears why `work` failed, after which nothing goes. */
  constructor(
    private readonly work: () => Promise<void>,
    private readonly more: () => boolean,
    private readonly failed: (error: unknown) => void,
  ) {}

  wake(): void {
    if (this.running) return;
    this.running = true;
    this.work().then(
      () => {
        this.running = false;
        // What was added behind the last look of `work`, and before this was said, has found it running.
        if (this.more()) this.wake();
      },
      (error: unknown) => this.failed(error),
    );
  }
}
