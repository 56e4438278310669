// How fast the page is, in a browser on this machine: rows of `npm run bench`; alone: node scripts/bench-page.mjs.
import { pathToFileURL } from "node:url";
import { missing, until, withPage } from "./page.mjs";

const CAPTURE = new URL("../traces/xen-4.20-create-small.parquet", import.meta.url).pathname;
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

/** Puts the cursor behind the TLBI that the first policy executes for each page that it removes. */
const AT_THE_TLBI = `(() => {
  const content = document.querySelector(".editor").shadowRoot.querySelector(".cm-content");
  const range = document.createRange();
  range.selectNodeContents([...content.querySelectorAll(".cm-line")].find((one) => one.textContent.includes("tlbi ipas2e1is")));
  range.collapse(false);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  content.focus();
})()`;

/** Notes when the verdicts are given up, which may be for some milliseconds only. */
const WATCH = `
  longest = 0;
  globalThis.emptied = false;
  new MutationObserver((_, own) => {
    if (document.querySelector(".matrix td")?.textContent !== "…") return;
    emptied = true;
    own.disconnect();
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
`;

/** Prints a row a figure with `line`. */
export async function benchPage(line) {
  const why = missing();
  if (why !== undefined) return line("the page in a browser", `not measured: ${why}`);
  await withPage(async (browser, url) => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(0);
    await page.addInitScript(`
      globalThis.longest = 0;
      new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) longest = Math.max(longest, duration); }).observe({ type: "longtask", buffered: true });
    `);
    const cells = (which) =>
      until(
        page,
        `(() => { const cells = [...document.querySelectorAll(".matrix ${which}")]; return cells.length > 0 && cells.every((one) => one.textContent !== "…"); })()`,
      );
    let begun = performance.now();
    await page.goto(url);
    await page.waitForSelector(".matrix");
    line("the page: from a cold load to the policy and the empty matrix", seconds(performance.now() - begun));
    await cells("td:nth-child(2)");
    line("the page: from a cold load to the verdicts on one CPU", seconds(performance.now() - begun));
    await cells("td");
    await page.waitForSelector("#prices .plot");
    const editor = page.getByRole("textbox", { name: "Text of the policy" });
    /** From the first key of a change to its verdicts, and how long no key was heard meanwhile. */
    const changed = async (what, type) => {
      await editor.click();
      await page.evaluate(WATCH);
      begun = performance.now();
      await type();
      await until(page, "emptied");
      await cells("td:nth-child(2)");
      line(`the page: from ${what} to the verdicts on one CPU, every occasion`, seconds(performance.now() - begun));
      await cells("td");
      line("the page: the same, on every CPU", seconds(performance.now() - begun));
      await page.waitForTimeout(1000);
      const blocked = Math.round(await page.evaluate("longest"));
      line("the page: longest time that the editor was blocked meanwhile", `${blocked} ms`);
    };
    await changed("another revoke code", async () => {
      await page.evaluate(AT_THE_TLBI);
      await page.keyboard.type("\nisb");
    });
    await changed("a remark in the text", async () => {
      await page.keyboard.press("ControlOrMeta+End");
      await page.keyboard.type("# changed\n");
    });
    await page.getByRole("tab", { name: "Trace" }).click();
    begun = performance.now();
    await page.locator("input[type=file]").setInputFiles(CAPTURE);
    await page.waitForSelector(".flame");
    line("the page: a capture of 200,092 events, added up, priced and on trial", seconds(performance.now() - begun));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  await benchPage((what, figure) => console.log(`${what.padEnd(74)} ${figure}`));
