// The map of one training run: layers from the input down, steps across, color the magnitude.

import {NAMES_WIDTH, drawCells, pixels, underCursor} from './chart.js';
import {colorOf} from './colors.js';
import * as format from './format.js';

export class FlowMap {
  /** @param on `point(depth, column)` and `zoom(first, last)`: what the user does. */
  constructor(parent, on) {
    this.parent = parent;
    this.on = on;
    this.chart = null;
  }

  /** Number of columns that fit: at most one for each pixel, so that none is left out. */
  static columns(width) {
    return Math.max(Math.floor(width - NAMES_WIDTH - 24), 50);
  }

  show(run, view, {width, height}) {
    this.run = run;
    const columns = run.steps.length;
    const rowOf = new Map(run.layers.map((layer, row) => [layer.depth, row]));
    this.image = pixels(Math.max(columns, 1), Math.max(view.num_depths, 1), (column, depth) => {
      const row = rowOf.get(depth);
      return row === undefined || !columns ? null : colorOf(run.values[row][column], view);
    });
    const named = format.layersSpread(run, view.num_depths, Math.floor((height - 60) / 15));
    this.chart = drawCells(this.parent, this.chart, {
      width,
      height,
      steps: run.steps,
      yScale: {dir: -1, range: () => [-0.5, Math.max(view.num_depths, 1) - 0.5]},
      yAxis: {
        splits: () => named.map((layer) => layer.depth),
        values: () => named.map((layer) => format.shortened(layer.name)),
      },
      hooks: {
        draw: [(chart) => this.drawCells(chart)],
        setCursor: [(chart) => this.moved(chart)],
        setSelect: [(chart) => this.selected(chart)],
      },
    });
  }

  drawCells({ctx, bbox, valToPos}) {
    ctx.save();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(this.image, bbox.left, bbox.top, bbox.width, bbox.height);
    for (const diagnosis of this.run.verdict?.diagnoses ?? []) {
      this.mark(ctx, valToPos, diagnosis);
    }
    ctx.restore();
  }

  /** Frames the layers and the steps of a diagnosis. */
  mark(ctx, valToPos, diagnosis) {
    const [from, to] = this.columnsOf(diagnosis);
    if (from > to) return;
    const left = valToPos(from - 0.5, 'x', true);
    const right = valToPos(to + 0.5, 'x', true);
    const depths = diagnosis.rows.map((row) => this.run.layers[row].depth);
    groups(depths).forEach(([first, last], number) => {
      const top = valToPos(first - 0.5, 'y', true);
      const bottom = valToPos(last + 0.5, 'y', true);
      for (const [color, width] of [['black', 4], ['white', 1.5]]) {
        [ctx.strokeStyle, ctx.lineWidth] = [color, width * devicePixelRatio];
        ctx.strokeRect(left + 2, top + 2, right - left - 4, bottom - top - 4);
      }
      if (number === 0) label(ctx, diagnosis.code, right - 4, top + 4);
    });
  }

  columnsOf({first_step, last_step, is_over}) {
    const {steps, last_steps} = this.run;
    const from = last_steps.findIndex((step) => step >= first_step);
    const after = is_over ? steps.findIndex((step) => step > last_step) : -1;
    return [from < 0 ? steps.length : from, (after < 0 ? steps.length : after) - 1];
  }

  moved(chart) {
    const found = this.isMoving || chart !== this.chart ? null : underCursor(chart);
    if (found !== null) this.on.point(Math.round(found.y), Math.round(found.x));
  }

  selected(chart) {
    const {left, width} = chart.select;
    const last = this.run.steps.length - 1;
    if (width < 4 || last < 0) {
      if (width) chart.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
      return;
    }
    const column = (place) => Math.min(Math.max(Math.round(chart.posToVal(place, 'x')), 0), last);
    this.on.zoom(this.run.steps[column(left)], this.run.last_steps[column(left + width)]);
  }

  /** Moves the cross to a cell without reporting it. */
  moveTo(depth, column) {
    if (this.chart === null) return;
    this.isMoving = true;
    const {chart} = this;
    chart.setCursor({left: chart.valToPos(column, 'x'), top: chart.valToPos(depth, 'y')}, false);
    this.isMoving = false;
  }
}

/** Returns the first and the last of each group of consecutive numbers. */
function groups(numbers) {
  const found = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const group = found.at(-1);
    if (group && number === group[1] + 1) {
      group[1] = number;
    } else {
      found.push([number, number]);
    }
  }
  return found;
}

function label(ctx, text, right, top) {
  ctx.font = `bold ${10 * devicePixelRatio}px sans-serif`;
  const width = ctx.measureText(text).width + 6 * devicePixelRatio;
  ctx.fillStyle = 'black';
  ctx.fillRect(right - width, top, width, 14 * devicePixelRatio);
  ctx.fillStyle = 'white';
  [ctx.textAlign, ctx.textBaseline] = ['left', 'top'];
  ctx.fillText(text, right - width + 3 * devicePixelRatio, top + 2 * devicePixelRatio);
}
