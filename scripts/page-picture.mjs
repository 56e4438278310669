// Takes the picture of the page that the README shows: node scripts/page-picture.mjs, after npm run web.
import { missing, until, withPage } from "./page.mjs";

const PICTURE = new URL("../docs/page.png", import.meta.url).pathname;

const why = missing();
if (why !== undefined) {
  console.error(why);
  process.exit(1);
}
await withPage(async (browser, url) => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1240 }, colorScheme: "light" });
  page.setDefaultTimeout(0);
  await page.goto(url);
  await until(
    page,
    `document.querySelectorAll(".matrix td").length > 0 && [...document.querySelectorAll(".matrix td")].every((one) => one.textContent !== "…")`,
  );
  await page.click(".matrix tbody td:nth-child(2) button");
  await page.waitForSelector(".timeline .now");
  // On to the first step at which somebody holds what is stale.
  while ((await page.locator(".pe li.stale").count()) === 0) await page.getByRole("button", { name: "Next" }).click();
  await page.evaluate(`document.querySelector(".cm-focused")?.blur(); scrollTo(0, 0)`);
  await page.screenshot({ path: PICTURE });
});
console.log("docs/page.png");
