/** Recorded runs of a real Xen, priced: the same work on other hosts. */
import type { PricedCapture } from "../../compare/index.js";
import { duration, durationRange, sentence, tally } from "../format.js";
import { Scroll } from "./scroll.js";

export function Captures({ captures }: { readonly captures: readonly PricedCapture[] }) {
  const columns = captures[0]?.phases[0]?.prices ?? [];
  if (captures.length === 0) return null;
  return (
    <section id="captures">
      <h2>Captures of a real Xen</h2>
      <p class="soft">
        Runs of a real Xen under emulation, recorded instruction by instruction, and what the very same run would have
        cost: simulated time, as everywhere here. Refaults are a lower bound: of a guest's accesses a capture has only
        those that are certain.
      </p>
      <Scroll>
        <table>
          <thead>
            <tr>
              <th scope="col">capture, phase</th>
              <th scope="col">TLBIs that Xen executed</th>
              {columns.map(({ host, ipaBits }) => (
                <th scope="col" class="number">
                  {host}
                  {ipaBits !== null && `, ${ipaBits} bits`}
                </th>
              ))}
            </tr>
          </thead>
          {captures.map(({ name, producer, phases }) => (
            <tbody>
              <tr>
                <th scope="rowgroup" class="text" colSpan={2 + columns.length}>
                  <span class="name">{name}</span> <span class="soft">{sentence(producer)}</span>
                </th>
              </tr>
              {phases.map(({ phase, tlbi, prices }) => (
                <tr>
                  <th scope="row" class="text">
                    {phase}
                  </th>
                  <td class="text">{tally(tlbi)}</td>
                  {prices.map(({ microseconds, microsecondsRange: [low, high] }) => (
                    <td class="number">
                      {duration(microseconds)} <small>{durationRange(low, high, "–")}</small>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          ))}
        </table>
      </Scroll>
    </section>
  );
}
