/** What each occasion costs by itself: the prices as a table, and against the IPA size as pictures. */
import {
  caseSentences,
  occasionsAcross,
  occasionView,
  type PricedOccasions,
  unpricedSentences,
} from "../occasion-view.js";
import { DataTable } from "./data-table.js";
import { PriceFigures } from "./scenario-section.js";

/** `id` is unique in the page. */
export function Occasions({ priced, id }: { readonly priced: PricedOccasions; readonly id: string }) {
  const view = occasionView(priced);
  return (
    <section class="scenario" aria-label={`Prices of the occasions of ${priced.policy}`}>
      <DataTable
        table={occasionsAcross(view)}
        caption={`${caseSentences(priced).join(" ")} Below a price, small, the range with every elementary price at its low and at its high end. Occasions that are the same in all columns share a row.`}
        kind="prices"
      />
      {unpricedSentences(priced).map((text) => (
        <p class="silent">{text}</p>
      ))}
      {view.nested.length > 0 && <PriceFigures view={view} id={id} what="Occasions" />}
    </section>
  );
}
