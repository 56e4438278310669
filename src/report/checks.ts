/** A check against a measurement, in words. */
import type { Check } from "../compare/index.js";
import { quantityIn, quantityRange } from "./format.js";

export const predicted = (check: Check, between?: string): string =>
  quantityIn(check.predicted, check.predictedRange, check.unit, between);

export const measured = ({ measuredLow, measuredHigh, unit }: Check, between?: string): string =>
  quantityRange(measuredLow, measuredHigh, unit, between);

/** A calibrated price says nothing by agreeing. */
export function verdict(check: Check): "calibration" | "agrees" | "DIFFERS" {
  if (check.calibration) return "calibration";
  return check.agrees ? "agrees" : "DIFFERS";
}
