// The histograms of the layer under the pointer, of all runs on the same axis.

import {debounced} from './dom.js';
import {fetchHistogram} from './server.js';

const COLUMNS = 120;

export class Histograms {
  /** @param say called with the reason if the server refuses. */
  constructor(say) {
    this.say = say;
    this.view = null;
    this.depth = null;
    this.loadSoon = debounced((...what) => this.load(...what), 150);
  }

  /** Shows the histograms of the layers at a depth, once the pointer rests there. */
  show(view, panels, depth, size) {
    if (view === this.view && depth === this.depth) return;
    [this.view, this.depth] = [view, depth];
    this.loadSoon(view, panels, depth, size);
  }

  /** Makes the next `show` draw what is shown already. */
  forget() {
    this.view = null;
  }

  async load(view, panels, depth, size) {
    const layers = panels.map((panel) => panel.layerAt(depth));
    const asked = layers.map((layer, i) => this.fetch(view.runs[i], layer, view.quantity));
    const found = await Promise.all(asked);
    if (view !== this.view || depth !== this.depth) return; // the pointer has moved on
    const edges = found.flatMap((each) => each?.edges ?? []);
    // From a whole power of ten to another, so that the axis has numbers.
    const low = Math.floor(Math.min(...edges));
    const range = [low, Math.max(Math.ceil(Math.max(...edges)), low + 2)];
    panels.forEach((panel, i) => panel.showHistogram(layers[i], found[i], range, size));
  }

  async fetch({key, steps, last_steps}, layer, quantity) {
    if (!layer || !quantity.has_histograms || !steps.length) return null;
    const window = {first: steps[0], stop: last_steps.at(-1) + 1, columns: COLUMNS};
    try {
      return await fetchHistogram({key, quantity: quantity.name, path: layer.path, ...window});
    } catch (error) {
      this.say(error.message);
      return null;
    }
  }
}
