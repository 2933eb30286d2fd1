// The bar at the top: quantity, runs, steps, and the legend of the colors.

import {GRADIENT, NON_FINITE, ZERO, css} from './colors.js';
import {element} from './dom.js';
import * as format from './format.js';

export class Controls {
  /** @param on `quantity(name)`, `runs(keys)`, `step(column)`, `zoomOut()`, `play()`. */
  constructor(on) {
    this.on = on;
    this.quantity = element('select', {onchange: () => on.quantity(this.quantity.value)});
    this.summary = element('summary');
    this.list = element('ul');
    this.playButton = element('button', {onclick: on.play, type: 'button'});
    this.slider = element('input', {
      type: 'range',
      min: 0,
      'aria-label': 'recorded step',
      oninput: () => on.step(Number(this.slider.value)),
    });
    this.stepText = element('output', {className: 'step'});
    this.zoomOut = element('button', {
      type: 'button',
      textContent: 'All steps',
      hidden: true,
      onclick: on.zoomOut,
    });
    this.dropdown = element('details', {className: 'runs'}, this.summary, this.list);
    this.dropdown.onkeydown = (event) => {
      if (event.key !== 'Escape') return;
      this.dropdown.open = false;
      this.summary.focus();
    };
    document.addEventListener('click', (event) => {
      if (!this.dropdown.contains(event.target)) this.dropdown.open = false;
    });
    this.legend = element('div', {className: 'legend'});
    this.element = element(
      'header',
      {},
      element('label', {}, 'Quantity ', this.quantity),
      this.dropdown,
      element('span', {className: 'steps'}, this.playButton, this.slider, this.stepText, this.zoomOut),
      this.legend,
    );
    this.showPlaying(false);
  }

  showMenu(menu, state, view) {
    this.menu = menu;
    const recorded = new Set(view?.runs.flatMap((run) => run.quantities));
    const options = menu.map((entry) => ({
      value: entry.name,
      textContent: entry.label,
      selected: entry.name === state.quantity,
      disabled: recorded.size > 0 && !recorded.has(entry.name) && entry.name !== state.quantity,
    }));
    if (isSame(this.quantity, options)) return;
    this.quantity.replaceChildren(...options.map((option) => element('option', option)));
  }

  /** @param most the number of runs that the server compares at a time. */
  showRuns(runs, keys, colors, most) {
    if (isSame(this.list, [runs, keys, colors])) return;
    this.summary.textContent = `Runs: ${keys.length} of ${runs.length}`;
    const boxes = () => [...this.list.querySelectorAll('input')];
    const focused = boxes().indexOf(document.activeElement);
    const isFull = keys.length >= most;
    this.list.replaceChildren(
      ...runs.map((run) => {
        const place = keys.indexOf(run.key);
        const disabled = isFull && place < 0;
        const box = element('input', {type: 'checkbox', checked: place >= 0, disabled});
        box.onchange = () =>
          this.on.runs(box.checked ? [...keys, run.key] : keys.filter((key) => key !== run.key));
        const style = {background: place < 0 ? 'transparent' : colors[place]};
        const swatch = element('span', {className: 'swatch', style});
        return element('li', {}, element('label', {}, box, swatch, this.title(run, runs)));
      }),
      ...(isFull ? [element('li', {textContent: `At most ${most} runs at a time.`})] : []),
    );
    boxes()[focused]?.focus();
  }

  /** Returns the name of a training run: that of its run, and when it began if there are several. */
  title(run, runs) {
    const common = commonDirectory(runs.map((other) => other.run));
    const name = run.run.slice(common.length).replace(/\/gradients$/, '') || run.run;
    const fits = runs.filter((other) => other.run === run.run);
    if (fits.length < 2) return name;
    const number = fits.findIndex((other) => other.key === run.key) + 1;
    return `${name}, training run ${number} of ${new Date(1000 * run.began).toLocaleString()}`;
  }

  showView(view, state) {
    this.zoomOut.hidden = state.first === null && state.stop === null;
    this.legend.hidden = view === null;
    if (this.menu) this.showMenu(this.menu, state, view);
    if (view === null) return;
    const [low, high] = view.range;
    const isLog = view.quantity.scale === 'log';
    const ends = [low, (low + high) / 2, high];
    const texts = isLog ? [format.power(low), format.power(Math.round(ends[1])), format.power(high)] : ends;
    const bar = element('span', {className: 'bar', style: {background: GRADIENT}});
    const scale = element('span', {className: 'scale'}, bar, ...texts.map((text) => element('span', {textContent: text})));
    const swatches = [
      ...(isLog ? [swatch('exactly 0', css(ZERO))] : []),
      swatch('NaN or infinite', css(NON_FINITE)),
      swatch('not recorded', null),
    ];
    const unit = view.quantity.unit === '1' ? '' : ` (${view.quantity.unit})`;
    this.legend.replaceChildren(scale, element('span', {textContent: `${view.quantity.label}${unit}`}), ...swatches);
  }

  showStep(run, column) {
    this.slider.max = Math.max(run.steps.length - 1, 0);
    this.slider.value = column;
    const number = run.steps[column];
    this.stepText.textContent = number === undefined ? '' : `step ${format.step(number)}`;
    this.slider.setAttribute('aria-valuetext', this.stepText.textContent);
  }

  showPlaying(isPlaying) {
    this.playButton.textContent = isPlaying ? '❚❚' : '▶';
    this.playButton.setAttribute('aria-label', isPlaying ? 'Pause' : 'Play through the steps');
  }
}

/** Whether an element shows this already: what did not change keeps the focus. */
function isSame(shown, content) {
  const text = JSON.stringify(content);
  const isShown = shown.dataset.content === text;
  shown.dataset.content = text;
  return isShown;
}

/** Returns the directory that all names begin with, up to its slash. */
function commonDirectory(names) {
  const parts = (names[0] ?? '').split('/').slice(0, -2);
  while (parts.length && !names.every((name) => name.startsWith(`${parts.join('/')}/`))) parts.pop();
  return parts.length ? `${parts.join('/')}/` : '';
}

function swatch(text, color) {
  const box = element('span', {className: color ? 'swatch' : 'swatch nothing'});
  if (color) box.style.background = color;
  return element('span', {className: 'entry'}, box, text);
}
