// What a view consists of. It is kept in the address, so that a view can be shared.

import {debounced} from './dom.js';

export class State {
  constructor(tensorboard) {
    this.tensorboard = tensorboard;
    this.keys = list(tensorboard.read('runs'));
    this.quantity = tensorboard.read('quantity') || 'activation_gradients';
    this.first = natural(tensorboard.read('first'));
    this.stop = natural(tensorboard.read('stop'));
    if (this.stop !== null && this.stop <= (this.first ?? 0)) this.first = this.stop = null;
    this.depth = natural(tensorboard.read('depth')) ?? 0;
    this.step = natural(tensorboard.read('step'));
    this.writeSoon = debounced(() => this.write(), 300);
  }

  write() {
    const values = {
      runs: JSON.stringify(this.keys),
      quantity: this.quantity,
      first: this.first,
      stop: this.stop,
      depth: this.depth,
      step: this.step,
    };
    for (const [name, value] of Object.entries(values)) {
      this.tensorboard.write(name, value === null ? '' : String(value));
    }
  }
}

const natural = (text) => (/^\d{1,15}$/.test(text) ? Number(text) : null);

function list(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}
