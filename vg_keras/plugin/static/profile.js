// The profile: magnitude by depth at one step, all runs in one plot, layers down as in the maps.

import {NAMES_WIDTH, axis, draw, underCursor} from './chart.js';
import {position, themed} from './colors.js';
import * as format from './format.js';

export class Profile {
  /** @param on `point(depth)`: what the user points at. */
  constructor(parent, on) {
    this.parent = parent;
    this.on = on;
    this.chart = null;
    this.depth = 0;
  }

  show(view, colors, {width, height}) {
    this.view = view;
    this.depths = Array.from({length: Math.max(view.num_depths, 1)}, (_, depth) => depth);
    const lines = view.runs.flatMap((run, i) => {
      const solid = {stroke: colors[i], width: 2, points: {show: true, size: 6, fill: colors[i]}};
      const dashed = {stroke: colors[i], width: 1.5, dash: [5, 5], points: {show: false}};
      return run.prediction === null ? [solid] : [solid, dashed];
    });
    const longest = view.runs.reduce((a, b) => (b.layers.length > a.layers.length ? b : a));
    const named = format.layersSpread(longest, view.num_depths, Math.floor((height - 60) / 15));
    const [low, high] = view.range;
    const isLog = view.quantity.scale === 'log';
    const options = {
      width,
      height,
      legend: {show: false},
      cursor: {drag: {x: false, y: false}, y: false, points: {show: false}},
      scales: {
        x: {time: false, ori: 1, dir: -1, range: () => [-0.5, this.depths.length - 0.5]},
        y: {ori: 0, range: () => [low, high]},
      },
      axes: [
        axis({
          side: 3,
          size: NAMES_WIDTH,
          splits: () => named.map((layer) => layer.depth),
          values: () => named.map((layer) => format.shortened(layer.name)),
        }),
        axis({
          side: 2,
          label: view.quantity.label,
          size: 28,
          grid: {show: true, stroke: themed('line'), width: 1},
          values: (_, places) => places.map((place) => (isLog ? whole(place) : String(place))),
        }),
      ],
      series: [{}, ...lines],
      hooks: {
        draw: [(chart) => this.drawPointer(chart)],
        setCursor: [(chart) => this.moved(chart)],
      },
    };
    this.chart = draw(this.parent, this.chart, options, this.data(view.runs.map(() => 0)));
  }

  /** Moves the pointer. @param columns the column of each run that is shown. */
  point(depth, columns) {
    this.depth = depth;
    this.chart?.setData(this.data(columns));
  }

  data(columns) {
    const lines = this.view.runs.flatMap((run, i) => {
      const measured = run.values.map((row) => row[columns[i]]);
      const {rows, values} = run.prediction ?? {rows: null, values: null};
      const all = [this.byDepth(run.layers, measured)];
      return rows ? [...all, this.byDepth(rows.map((row) => run.layers[row]), values)] : all;
    });
    return [this.depths, ...lines];
  }

  byDepth(layers, values) {
    const found = new Map(layers.map((layer, i) => [layer.depth, values[i]]));
    return this.depths.map((depth) => place(found.get(depth), this.view));
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
  const [low, high] = view.range;
  return Math.min(Math.max(position(value, view), low), high);
}

const whole = (exponent) => (Number.isInteger(exponent) ? format.power(exponent) : '');
