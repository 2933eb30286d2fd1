// Everything that this page shares with the TensorBoard around it: runs, address and theme.
//
// Messages follow TensorBoard's plugin API (tensorboard/components/experimental/plugin_lib). The
// address is kept by TensorBoard's own storage, as parameters `p.vg_keras.NAME` of the hash; if
// TensorBoard does not let us, the page works and its address stays as it is.

const PREFIX = 'p.vg_keras.';

/** The messages between this page and TensorBoard. */
class Channel {
  constructor() {
    const {port1, port2} = new MessageChannel();
    this.port = port1;
    this.id = 0;
    this.waiting = new Map();
    this.listeners = new Map();
    port1.onmessage = (event) => this.receive(JSON.parse(event.data));
    window.parent.postMessage('experimental.bootstrap', '*', [port2]);
  }

  receive({type, id, payload, isReply}) {
    if (isReply) {
      this.waiting.get(id)?.(payload);
      this.waiting.delete(id);
      return;
    }
    this.listeners.get(type)?.(payload);
    this.port.postMessage(JSON.stringify({type, id, payload: null, error: null, isReply: true}));
  }

  /** Asks TensorBoard, and returns null if it does not answer: the page may be open by itself. */
  ask(type) {
    const id = this.id++;
    this.port.postMessage(JSON.stringify({type, id, payload: null, error: null, isReply: false}));
    return Promise.race([
      new Promise((resolve) => this.waiting.set(id, resolve)),
      new Promise((resolve) => setTimeout(() => resolve(null), 1000)),
    ]);
  }
}

function storage() {
  try {
    return window.parent.tensorboard?.tf_storage ?? null;
  } catch {
    return null; // TensorBoard is embedded in a page of another origin
  }
}

export class TensorBoard {
  /** @param onRuns called when runs may have changed. @param onTheme called with a new theme. */
  constructor(onRuns, onTheme) {
    this.channel = new Channel();
    for (const type of ['experimental.RunsChanged', 'experimental.DataReloaded']) {
      this.channel.listeners.set(type, onRuns);
    }
    this.followTheme(onTheme);
  }

  /** Returns the names of the runs that TensorBoard shows, or null if it does not say. */
  async runs() {
    const names = await this.channel.ask('experimental.GetRuns');
    return Array.isArray(names) ? names : null;
  }

  /** Returns the runs that are switched off in TensorBoard's other tabs. */
  runsSwitchedOff() {
    try {
      const states = storage()?.getObject('runSelectionState') ?? {};
      return new Set(Object.keys(states).filter((name) => states[name] === false));
    } catch {
      return new Set();
    }
  }

  read(name) {
    return storage()?.getString(PREFIX + name) ?? '';
  }

  write(name, value) {
    const options = {defaultValue: '', useLocationReplace: true};
    storage()?.setString(PREFIX + name, value, options);
  }

  /** Calls a function when the address of this tab has changed. */
  followAddress(onAddress) {
    try {
      const {parent} = window;
      const isOurs = () => parent.location.hash.startsWith(`#${PREFIX.split('.')[1]}&`);
      // TensorBoard's storage reads the address in a listener of its own.
      parent.addEventListener('hashchange', () => setTimeout(() => isOurs() && onAddress(), 0));
    } catch {
      // TensorBoard is embedded in a page of another origin.
    }
  }

  followTheme(onTheme) {
    const apply = () => {
      const isDark = this.isDark();
      document.documentElement.classList.toggle('dark', isDark);
      onTheme(isDark);
    };
    try {
      const options = {attributes: true, attributeFilter: ['class']};
      new MutationObserver(apply).observe(window.parent.document.body, options);
    } catch {
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
    }
    document.documentElement.classList.toggle('dark', this.isDark());
  }

  isDark() {
    try {
      return window.parent.document.body.classList.contains('dark-mode');
    } catch {
      return matchMedia('(prefers-color-scheme: dark)').matches;
    }
  }
}
