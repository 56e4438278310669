/** The table of price models: a row each. Nobody else asks for a host's kind. */
import { BARE_METAL } from "./bare/model.js";
import type { Host } from "./host.js";
import { KVM_NESTED } from "./kvm/model.js";
import type { PriceModel } from "./model.js";

export const PRICE_MODELS: readonly PriceModel[] = [BARE_METAL, KVM_NESTED];

/** The price model of a kind of host; a RangeError where there is none, which no file that was read can have. */
export function modelOf({ kind }: Pick<Host, "kind">): PriceModel {
  const found = PRICE_MODELS.find((model) => model.kind === kind);
  if (!found) throw new RangeError(`no price model is of kind '${kind}'`);
  return found;
}

/** True where the hypervisor under study is itself a guest: see {@link PriceModel.nested}. */
export const isNested = (host: Host): boolean => modelOf(host).nested;

/** What a host must have for those of the IPA sizes that not every such host has, and what of it is unknown: a sentence for each. */
export function ipaNotes(hosts: readonly Host[], ipaBits: readonly number[]): string[] {
  const notes = ipaBits.flatMap((bits) => hosts.map((host) => modelOf(host).ipaNote(host, bits)));
  const unknown = hosts.flatMap((host) => [...host.unknown, ...modelOf(host).unknown(host)]);
  return [...new Set([...notes.filter((note) => note !== undefined), ...unknown])];
}

/** The host with its own remedy of the erratum switched on: see {@link PriceModel.withRepeat}. */
export const repeating = (host: Host): Host => modelOf(host).withRepeat(host);
