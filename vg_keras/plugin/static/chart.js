// What the three charts have in common. uPlot draws axes and cursors; cells are drawn into its canvas.

import uPlot from './uPlot.esm.js';
import {themed} from './colors.js';
import * as format from './format.js';

/** Width of the names of layers, or of the numbers, left of a chart. */
export const NAMES_WIDTH = 118;

const LABEL_SIZE = 16;

/** Returns an axis in the colors of the page. `more` are further settings of uPlot. */
export function axis(more) {
  const line = {stroke: themed('line'), width: 1, size: 4};
  return {
    stroke: themed('text'),
    font: '11px sans-serif',
    labelFont: '11px sans-serif',
    labelSize: LABEL_SIZE,
    grid: {show: false},
    ticks: line,
    border: {show: true, ...line},
    ...more,
  };
}

/** Draws a chart in an element, instead of what was there. */
export function draw(parent, previous, options, data) {
  previous?.destroy();
  return new uPlot(options, data, parent);
}

/**
 * Draws a chart of cells in an element, instead of what was there: one column for each step.
 *
 * @param yScale the vertical scale. @param yAxis further settings of its axis.
 * @param hooks those of uPlot; the cells are drawn in `draw`.
 */
export function drawCells(parent, previous, {width, height, steps, yScale, yAxis, hooks}) {
  const columns = steps.map((_, column) => column);
  const stepAxis = axis({
    label: 'recorded step',
    size: 28,
    splits: () => format.spread(steps.length, 6),
    values: (_, splits) => splits.map((column) => format.step(steps[column] ?? 0)),
  });
  const labelSize = yAxis.label ? LABEL_SIZE : 0;
  const options = {
    width,
    height,
    legend: {show: false},
    cursor: {drag: {x: true, y: false, setScale: false}, points: {show: false}},
    scales: {x: {time: false, range: () => [-0.5, Math.max(steps.length, 1) - 0.5]}, y: yScale},
    axes: [stepAxis, axis({size: NAMES_WIDTH - labelSize, ...yAxis})],
    series: [{}, {paths: () => null, points: {show: false}}],
    hooks,
  };
  return draw(parent, previous, options, [columns, steps]);
}

/** Returns a canvas with one pixel for each cell; `colorAt(column, row)` is `[r, g, b, a]` or null. */
export function pixels(columns, rows, colorAt) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext('2d');
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const color = colorAt(column, row);
      if (color !== null) {
        image.data.set([color[0], color[1], color[2], color[3] ?? 255], 4 * (row * columns + column));
      }
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Returns the column and the row under the cursor of a chart, or null outside. */
export function underCursor(chart, xScale = 'x', yScale = 'y') {
  const {left, top} = chart.cursor;
  if (!(left >= 0 && top >= 0)) return null;
  const found = {x: chart.posToVal(left, xScale), y: chart.posToVal(top, yScale)};
  return Number.isFinite(found.x) && Number.isFinite(found.y) ? found : null;
}
