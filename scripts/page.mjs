// The page in Debian's Chromium, for who measures it or takes its picture: served as `shootdown web` serves it.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { servePage } from "../dist/jobs/index.js";

const CHROMIUM = "/usr/bin/chromium";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Why it cannot be opened; undefined where it can. */
export const missing = () =>
  !existsSync(CHROMIUM)
    ? `${CHROMIUM} is absent: run scripts/setup-debian.sh`
    : !existsSync(new URL("../site/index.html", import.meta.url))
      ? "the page is not built: npm run web"
      : undefined;

/** Does work with a browser and the page's URL. */
export async function withPage(work) {
  const served = await servePage(0);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...QUIET], timeout: 0 });
  try {
    return await work(browser, served.url);
  } finally {
    await browser.close();
    await served.close();
  }
}

/** Waits until an expression is true; the page evaluates no texts, so the question is asked again and again. */
export async function until(page, expression) {
  while (!(await page.evaluate(expression))) await page.waitForTimeout(20);
}
