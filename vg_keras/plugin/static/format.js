// Numbers and names as text.

export const step = (number) => number.toLocaleString('en-US');

/** Returns steps in words: "step 5" or "steps 5 to 1,000". */
export function steps(first, last) {
  return first === last ? `step ${step(first)}` : `steps ${step(first)} to ${step(last)}`;
}

/** Returns a power of ten: "1e-5". */
export const power = (exponent) => (exponent === 0 ? '1' : `1e${exponent}`);

/** Returns a value of the flow: a number, or what there is instead of one. */
export function value(of) {
  if (of === null || of === undefined) return 'not recorded';
  if (of === 'nonfinite') return 'NaN or infinite';
  if (of === 0) return 'exactly 0';
  return of >= 0.01 && of < 1000 ? String(Number(of.toPrecision(3))) : of.toExponential(2);
}

/** Returns the first and the last part of a name that is too long. */
export function shortened(name, most = 18) {
  const half = Math.floor(most / 3);
  return name.length <= most ? name : `${name.slice(0, half)}…${name.slice(half + 1 - most)}`;
}

/** Returns layers of a run that lie far enough apart for names: at most so many on the whole axis. */
export function layersSpread({layers}, numDepths, most) {
  const found = [];
  for (const layer of layers) {
    const last = found.at(-1);
    if (!last || layer.depth - last.depth >= numDepths / most) found.push(layer);
  }
  return found;
}

/** Returns at most so many of the first integers, evenly spaced, from 0 on. */
export function spread(number, most) {
  const stride = Math.max(Math.ceil(number / most), 1);
  return Array.from({length: Math.ceil(number / stride)}, (_, i) => i * stride);
}
