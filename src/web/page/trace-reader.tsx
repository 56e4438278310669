import type { Change, State } from "./state.js";

export function TraceReader(_: { readonly state: State; readonly change: Change }) {
  return null;
}
