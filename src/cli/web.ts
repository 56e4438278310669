/** `shootdown web`: the laboratory as a page, served on the loopback address. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { interruptible, openInBrowser, servePage } from "../jobs/index.js";
import { servingText } from "../report/index.js";
import { print, say } from "./output.js";

interface WebOptions {
  readonly port: number;
  readonly open?: boolean;
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError("Expected a number from 0 to 65535.");
  return Number(text);
}

export function register(program: Command): void {
  program
    .command("web")
    .description("the whole laboratory in a browser: serves the page on the loopback address until Ctrl-C")
    .addOption(new Option("--port <n>", "the port; 0: any that is free").default(8017).argParser(port))
    .option("--open", "open it in the browser")
    .action(async (options: WebOptions) => {
      const served = await servePage(options.port);
      try {
        print(servingText(served.url));
        if (options.open && !(await openInBrowser(served.url))) say("Nothing here opens a browser: open it by hand.\n");
        await interruptible(
          (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
        );
      } finally {
        await served.close();
      }
    });
}
