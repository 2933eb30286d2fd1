// The profile: magnitude by depth at one step, all runs in one plot, layers down as in the maps.

import {axis, draw, underCursor} from './chart.js';
import {position, themed} from './colors.js';
import * as format from './format.js';

const NAMES_WIDTH = 118;

export class Profile {
  /** @param on `point(depth)`: what the user points at. */
  constructor(parent, on) {
    this.parent = parent;
    this.on = on;
    this.chart = null;
    this.depth = 0;
  }

  /** @param columns the column of each run that is shown. */
  show(view, columns, colors, {width, height}) {
    const depths = Array.from({length: Math.max(view.num_depths, 1)}, (_, depth) => depth);
    const lines = view.runs.flatMap((run, i) => {
      const solid = {stroke: colors[i], width: 2, points: {show: true, size: 6, fill: colors[i]}};
      const measured = {series: solid, values: this.measured(run, view, columns[i], depths)};
      if (run.prediction === null) return [measured];
      const dashed = {stroke: colors[i], width: 1.5, dash: [5, 5], points: {show: false}};
      return [measured, {series: dashed, values: this.predicted(run, view, depths)}];
    });
    const [low, high] = view.range;
    const options = {
      width,
      height,
      legend: {show: false},
      cursor: {drag: {x: false, y: false}, y: false, points: {show: false}},
      scales: {
        x: {time: false, ori: 1, dir: -1, range: () => [-0.5, depths.length - 0.5]},
        y: {ori: 0, range: () => [low, high]},
      },
      axes: [
        axis({
          side: 3,
          size: NAMES_WIDTH,
          splits: () => this.named(view, Math.floor((height - 60) / 15)).map((layer) => layer.depth),
          values: () =>
            this.named(view, Math.floor((height - 60) / 15)).map((l) => format.shortened(l.name)),
        }),
        axis({
          side: 2,
          label: view.quantity.label,
          size: 28,
          grid: {show: true, stroke: themed('line'), width: 1},
          values: (_, places) =>
            places.map((place) => (view.quantity.scale === 'log' ? whole(place) : String(place))),
        }),
      ],
      series: [{}, ...lines.map((line) => ({...line.series, spanGaps: false}))],
      hooks: {
        draw: [(chart) => this.drawPointer(chart)],
        setCursor: [(chart) => this.moved(chart)],
      },
    };
    const data = [depths, ...lines.map((line) => line.values)];
    this.chart = draw(this.parent, this.chart, options, data);
  }

  /** The layers of the run with the most, evenly spaced. */
  named(view, most) {
    const longest = view.runs.reduce((a, b) => (b.layers.length > a.layers.length ? b : a));
    return format.spread(longest.layers.length, most).map((row) => longest.layers[row]);
  }

  measured(run, view, column, depths) {
    const byDepth = new Map(run.layers.map((l, row) => [l.depth, run.values[row][column]]));
    return depths.map((depth) => place(byDepth.get(depth), view));
  }

  predicted(run, view, depths) {
    const {rows, values} = run.prediction;
    const byDepth = new Map(rows.map((row, i) => [run.layers[row].depth, values[i]]));
    return depths.map((depth) => place(byDepth.get(depth), view));
  }

  point(depth) {
    this.depth = depth;
    this.chart?.redraw(false, false);
  }

  drawPointer({ctx, bbox, valToPos}) {
    const y = valToPos(this.depth, 'x', true);
    ctx.save();
    [ctx.strokeStyle, ctx.lineWidth] = [themed('text'), devicePixelRatio];
    ctx.setLineDash([2, 3]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  moved(chart) {
    const found = chart === this.chart ? underCursor(chart, 'y', 'x') : null;
    if (found !== null) this.on.point(Math.round(found.y));
  }
}

/** Returns the position of a value, or null for a gap. */
function place(value, view) {
  if (typeof value !== 'number' || (value === 0 && view.quantity.scale === 'log')) return null;
  return position(value, view);
}

const whole = (exponent) => (Number.isInteger(exponent) ? format.power(exponent) : '');
