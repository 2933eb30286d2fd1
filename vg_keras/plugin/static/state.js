// What a view consists of. It is kept in the address, so that a view can be shared.

import {debounced} from './dom.js';

export class State {
  constructor(tensorboard) {
    this.tensorboard = tensorboard;
    this.read();
    this.written = this.address();
    this.writeSoon = debounced(() => this.write(), 300);
  }

  read() {
    const {tensorboard} = this;
    this.keys = list(tensorboard.read('runs'));
    this.quantity = tensorboard.read('quantity') || 'activation_gradients';
    this.hasQuantity = tensorboard.read('quantity') !== ''; // or else any that was recorded will do
    this.first = natural(tensorboard.read('first'));
    this.stop = natural(tensorboard.read('stop'));
    if (this.stop !== null && this.stop <= (this.first ?? 0)) this.first = this.stop = null;
    this.depth = natural(tensorboard.read('depth')) ?? 0;
    this.step = natural(tensorboard.read('step'));
  }

  /** Reads the address again if it is not what was written; returns whether it was read. */
  readAgain() {
    if (this.tensorboard.read('runs') === '' || this.address() === this.written) return false;
    this.written = this.address();
    this.read();
    return true;
  }

  address() {
    return JSON.stringify(NAMES.map((name) => this.tensorboard.read(name)));
  }

  write() {
    const {keys, quantity, first, stop, depth, step} = this;
    const values = [JSON.stringify(keys), quantity, first, stop, depth, step];
    const texts = values.map((value) => (value === null ? '' : String(value)));
    this.written = JSON.stringify(texts);
    NAMES.forEach((name, i) => this.tensorboard.write(name, texts[i]));
  }
}

const NAMES = ['runs', 'quantity', 'first', 'stop', 'depth', 'step'];

const natural = (text) => (/^\d{1,15}$/.test(text) ? Number(text) : null);

function list(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}
