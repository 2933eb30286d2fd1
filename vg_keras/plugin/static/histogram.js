// The histogram of one layer of one run: steps across, log10 of the absolute value up.

import {drawCells, pixels} from './chart.js';
import * as format from './format.js';

export class Histogram {
  constructor(parent) {
    this.parent = parent;
    this.chart = null;
  }

  /** @param found the answer of the server, or null. @param range log10 of the axis' ends. */
  show(found, [low, high], {width, height}) {
    const {steps, edges, fractions} = found ?? {steps: [], edges: [], fractions: []};
    const bins = Math.max(edges.length - 1, 0);
    if (!bins || !steps.length) {
      this.chart?.destroy();
      this.chart = null;
      const text = found === null ? '' : 'Every element is zero, not finite, or not recorded.';
      this.parent.replaceChildren(text);
      return;
    }
    if (this.chart === null) this.parent.replaceChildren();
    // Bins are not equally wide on this axis: their density counts.
    const widths = edges.slice(1).map((edge, i) => edge - edges[i]);
    const densities = fractions.map((row) => row.map((fraction, i) => fraction / widths[i]));
    const highest = densities.map((row) => Math.max(...row, 1e-9));
    const ink = document.documentElement.classList.contains('dark') ? [120, 190, 255] : [0, 90, 170];
    this.image = pixels(steps.length, bins, (column, row) => {
      const density = densities[column][bins - 1 - row];
      return density ? [...ink, Math.round(25 + 230 * Math.sqrt(density / highest[column]))] : null;
    });
    this.chart = drawCells(this.parent, this.chart, {
      width,
      height,
      steps,
      yScale: {range: () => [low, high]},
      yAxis: {
        label: 'absolute value',
        splits: () => powers(low, high),
        values: (_, splits) => splits.map(format.power),
      },
      hooks: {draw: [(chart) => this.drawCells(chart, edges)]},
    });
  }

  /** Draws each bin between its edges, which are not evenly spaced. */
  drawCells({ctx, bbox, valToPos}, edges) {
    ctx.save();
    ctx.imageSmoothingEnabled = false;
    const bins = edges.length - 1;
    for (let row = 0; row < bins; row++) {
      const top = Math.round(valToPos(edges[bins - row], 'y', true));
      const bottom = Math.round(valToPos(edges[bins - row - 1], 'y', true));
      const part = [0, row, this.image.width, 1];
      ctx.drawImage(this.image, ...part, bbox.left, top, bbox.width, bottom - top);
    }
    ctx.restore();
  }
}

/** Returns the whole numbers from `low` to `high`, at most some eight of them. */
function powers(low, high) {
  const stride = Math.max(Math.ceil((high - low) / 8), 1);
  const first = Math.ceil(low / stride) * stride;
  return Array.from({length: Math.floor((high - first) / stride) + 1}, (_, i) => first + i * stride);
}
