// One training run: its verdict, its map, and the histogram of the layer under the pointer.

import {element} from './dom.js';
import {FlowMap} from './flow_map.js';
import * as format from './format.js';
import {Histogram} from './histogram.js';

const HISTOGRAM_HEIGHT = 190;

export class RunPanel {
  /** @param on `point(depth, column)`, `zoom(first, last)`, `goTo(depth, step)`. */
  constructor(on) {
    this.on = on;
    this.heading = element('h2');
    this.verdict = element('div', {className: 'verdict'});
    this.mapElement = element('div', {className: 'map', tabIndex: 0, role: 'img'});
    this.readout = element('p', {className: 'readout', 'aria-live': 'polite'});
    this.histogramTitle = element('h3');
    this.histogramElement = element('div', {className: 'histogram'});
    this.map = new FlowMap(this.mapElement, on);
    this.histogram = new Histogram(this.histogramElement);
    this.element = element(
      'article',
      {},
      this.heading,
      this.verdict,
      this.mapElement,
      this.readout,
      this.histogramTitle,
      this.histogramElement,
    );
  }

  show(run, view, title, color, size) {
    Object.assign(this, {run, view, title});
    const swatch = element('span', {className: 'swatch', style: {background: color}});
    this.element.style.width = `${size.width}px`;
    this.heading.title = run.key;
    this.heading.replaceChildren(swatch, title, ' ', element('small', {textContent: amount(run)}));
    this.showVerdict(run);
    this.mapElement.setAttribute(
      'aria-label',
      `${view.quantity.label} of ${title}: layers from the input down, steps across`,
    );
    this.map.show(run, view, size);
  }

  showVerdict({verdict, damage}) {
    const shown = JSON.stringify([verdict, damage]);
    if (shown === this.shownVerdict) return; // what is unfolded stays unfolded
    this.shownVerdict = shown;
    const parts = damage.map((text) => element('p', {textContent: text}));
    if (verdict === null) {
      parts.push(element('p', {textContent: 'No rules were applied to this run.'}));
    } else if (!verdict.diagnoses.length) {
      parts.push(element('p', {textContent: `✓ ${verdict.title} in ${format.step(verdict.num_records)} records.`}));
    } else {
      parts.push(element('ul', {}, ...verdict.diagnoses.map((each) => this.diagnosis(each))));
    }
    this.verdict.replaceChildren(...parts);
  }

  diagnosis(found) {
    const icon = found.severity === 'error' ? '●' : '▲';
    const last = found.is_over ? found.last_step : null;
    const when = last === null ? `since step ${format.step(found.first_step)}` : format.steps(found.first_step, last);
    const button = element('button', {
      type: 'button',
      title: 'Go to its first layer and step',
      onclick: () => {
        const row = found.rows[0];
        const depth = row === undefined ? 0 : this.run.layers[row].depth;
        this.on.goTo(depth, found.first_step);
      },
    });
    button.append(
      element('span', {className: found.severity, textContent: `${icon} `, title: found.severity}),
      element('strong', {textContent: `${found.code} ${found.name}`}),
      ` ${when}`,
    );
    const more = [found.cause, ...found.advice.map((text) => `Try: ${text}`)].filter(Boolean);
    return element(
      'li',
      {},
      button,
      element(
        'details',
        {},
        element('summary', {textContent: found.message}),
        ...more.map((text) => element('p', {textContent: text})),
        element('p', {}, element('a', {href: found.page, target: '_blank', rel: 'noopener', textContent: `About ${found.code}`})),
      ),
    );
  }

  /** Shows the cell at a depth and a column. */
  point(depth, column) {
    const row = this.run.layers.findIndex((layer) => layer.depth === depth);
    this.map.moveTo(depth, column);
    const nothing = this.run.layers.length
      ? 'This model has no layer here.'
      : 'This quantity was not recorded. Choose another one above.';
    this.readout.textContent =
      row < 0 ? nothing : this.words(this.run.layers[row], row, column);
  }

  words(layer, row, column) {
    const {steps, last_steps, values} = this.run;
    if (!steps.length) return 'No record of this quantity.';
    const path = layer.name.endsWith(layer.path) ? '' : ` (${layer.path})`;
    const value = values[row][column];
    // A number is that of the first step of its column; that it is not finite may hold for a later.
    const last = value === 'nonfinite' ? last_steps[column] : steps[column];
    const when = format.steps(steps[column], last);
    const unit = typeof value === 'number' && value !== 0 && this.view.quantity.unit !== '1' ? ` ${this.view.quantity.unit}` : '';
    return `${layer.name}${path}, ${when}: ${format.value(value)}${unit}`;
  }

  /** Returns the layer at a depth, or undefined. */
  layerAt(depth) {
    return this.run.layers.find((layer) => layer.depth === depth);
  }

  /** Shows a histogram on an axis from `low` to `high`; nothing if there is none. */
  showHistogram(layer, found, [low, high], {width}) {
    this.histogramTitle.textContent = layer && found
      ? `Histogram of ${layer.name}, darker where there are more elements`
      : '';
    this.histogram.show(found, [low, high], {width, height: HISTOGRAM_HEIGHT});
  }
}

function amount({num_records, is_complete, fraction_read}) {
  const records = `${format.step(num_records)} record${num_records === 1 ? '' : 's'}`;
  return is_complete ? records : `${records}, ${Math.floor(100 * fraction_read)}% of the log read`;
}
