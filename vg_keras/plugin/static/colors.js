// Colors that people with any kind of color vision can tell apart, and that also differ in gray.

const VIRIDIS = [
  '440154', '48186a', '472d7b', '424086', '3b528b', '33638d', '2c728e', '26828e', '21918c',
  '1fa088', '28ae80', '3fbc73', '5ec962', '84d44b', 'addc30', 'd8e219', 'fde725',
].map(rgb);

const LIGHT = ['#0072b2', '#d55e00', '#007a59', '#b0457f', '#5a5a5a', '#7b61c9', '#8a6d00', '#00768a'];
const DARK = ['#56b4e9', '#e69f00', '#2fc79b', '#e79ac6', '#c8c8c8', '#b3a1f5', '#f0e442', '#5fd3e6'];

/** Returns the color of the n-th run, after Okabe and Ito. */
export function runColor(number) {
  const colors = document.documentElement.classList.contains('dark') ? DARK : LIGHT;
  return colors[number % colors.length];
}

/** Colors of what is no magnitude, none of which is in viridis. A missing value has no color. */
export const ZERO = [255, 255, 255];
export const NON_FINITE = [255, 45, 45];

export const GRADIENT = `linear-gradient(to right, ${VIRIDIS.map((c) => css(c)).join(', ')})`;

export function css([red, green, blue]) {
  return `rgb(${red}, ${green}, ${blue})`;
}

function rgb(hex) {
  return [0, 2, 4].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

/** Returns the color of a place from 0 to 1 on the color scale. */
export function viridis(place) {
  const exact = Math.min(Math.max(place, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(exact), VIRIDIS.length - 2);
  const [from, to] = [VIRIDIS[low], VIRIDIS[low + 1]];
  return from.map((part, i) => Math.round(part + (to[i] - part) * (exact - low)));
}

/** Returns the position of a value on the scale of the view: log10 of magnitudes. */
export function position(value, view) {
  return view.quantity.scale === 'log' ? Math.log10(value) : value;
}

/** Returns the color `[r, g, b]` of a value of the flow, or null for none. */
export function colorOf(value, view) {
  if (value === null) return null;
  if (value === 'nonfinite') return NON_FINITE;
  if (value === 0 && view.quantity.scale === 'log') return ZERO;
  const [low, high] = view.range;
  return viridis((position(value, view) - low) / (high - low));
}

/** Returns a page's color by the name of its CSS variable. */
export function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
