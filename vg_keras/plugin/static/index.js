// The tab "Gradient Flow": what is shown, what the user does, and when it is drawn again.
//
// `tensorboard.js` talks to TensorBoard, `server.js` to our server; `controls.js`, `run_panel.js`,
// `profile.js` and `histograms.js` draw. What a view is shared by is in `State`, and so in the address.

import {runColor} from './colors.js';
import {Controls} from './controls.js';
import {element} from './dom.js';
import {FlowMap} from './flow_map.js';
import {Histograms} from './histograms.js';
import {Player, moveOf} from './navigation.js';
import {Profile} from './profile.js';
import {RunPanel} from './run_panel.js';
import {fetchFlow, fetchRuns} from './server.js';
import {State} from './state.js';
import {TensorBoard} from './tensorboard.js';

const PROFILE_WIDTH = 340;
const GAP = 16;
const NARROWEST_PANEL = 400;
const SECONDS_BETWEEN_LOOKS = 5;
const MOST_RUNS_AT_FIRST = 4;

class Page {
  constructor() {
    this.tensorboard = new TensorBoard(() => this.lookForRuns(), () => this.themed());
    this.state = new State(this.tensorboard);
    this.runs = [];
    this.maxRuns = 0; // that the server compares at a time
    this.hasChosen = false; // whether runs were chosen, by the user or for the first time
    this.names = []; // all runs that TensorBoard has ever listed
    this.view = null;
    this.panels = new Map();
    this.request = null;
    this.controls = new Controls({
      quantity: (name) => this.change({quantity: name, hasQuantity: true, first: null, stop: null}),
      runs: (keys) => this.change({keys}),
      step: (column) => this.view && this.point(this.state.depth, this.view.runs[0], column),
      zoomOut: () => this.change({first: null, stop: null}),
      play: () => this.play(),
    });
    this.panelsElement = element('div', {className: 'panels'});
    this.profileElement = element('div');
    this.notes = element('div', {className: 'notes'});
    this.message = element('p', {className: 'message', role: 'status'});
    this.histograms = new Histograms((text) => this.say(text));
    this.player = new Player((column) => this.point(this.state.depth, this.view.runs[0], column));
    this.profile = new Profile(this.profileElement, {point: (depth) => this.pointAtDepth(depth)});
  }

  async start() {
    document.documentElement.lang = 'en';
    for (const href of ['uPlot.min.css', 'style.css']) {
      await new Promise((loaded) => {
        document.head.append(element('link', {rel: 'stylesheet', href, onload: loaded, onerror: loaded}));
      });
    }
    const aside = element(
      'aside',
      {hidden: true},
      element('h2', {textContent: 'Profile: magnitude by depth'}),
      this.profileElement,
      this.notes,
    );
    document.body.append(
      this.controls.element,
      this.message,
      element('main', {}, this.panelsElement, aside),
    );
    document.body.onkeydown = (event) => this.key(event);
    new ResizeObserver(() => this.resized()).observe(document.body);
    this.tensorboard.followAddress(() => this.state.readAgain() && this.lookForRuns());
    await this.lookForRuns();
    setInterval(() => document.hidden || this.lookForRuns(), 1000 * SECONDS_BETWEEN_LOOKS);
  }

  /** Looks for new runs and new records. */
  async lookForRuns() {
    try {
      const [found, names] = await Promise.all([fetchRuns(), this.tensorboard.runs()]);
      // TensorBoard lists a new run late, and one that it no longer lists was removed.
      const gone = new Set(this.names.filter((name) => !names?.includes(name)));
      this.names = [...new Set([...this.names, ...(names ?? [])])];
      this.runs = found.runs.filter((run) => names === null || !gone.has(run.run));
      this.maxRuns = found.max_runs;
      this.say([...found.errors, ...found.remote.map(remoteMessage)].join(' '));
      this.choose();
      const known = found.menu.some((entry) => entry.name === this.state.quantity);
      if (!known) this.state.quantity = found.menu[0].name;
      this.controls.showMenu(found.menu, this.state, this.view);
      this.showRuns();
      if (!this.runs.length && !this.message.textContent) this.say(NOTHING);
    } catch (error) {
      this.say(`TensorBoard does not answer: ${error.message}`);
      return;
    }
    await this.load();
  }

  /** Keeps the chosen runs that exist; at first, chooses those that other tabs show. */
  choose() {
    const known = new Set(this.runs.map((run) => run.key));
    const keys = this.state.keys.filter((key) => known.has(key)).slice(0, this.maxRuns);
    if (keys.length || !this.runs.length || this.hasChosen) {
      this.state.keys = keys;
      return;
    }
    this.hasChosen = true;
    const off = this.tensorboard.runsSwitchedOff();
    const latest = new Map(this.runs.map((run) => [run.run, run.key]));
    const shown = [...latest].filter(([name]) => !off.has(name)).map(([, key]) => key);
    this.state.keys = (shown.length ? shown : [...latest.values()]).slice(0, MOST_RUNS_AT_FIRST);
  }

  /** Asks for the view that the state describes, until the logs are read to their ends. */
  async load(isNew = false) {
    const {keys, quantity, first, stop} = this.state;
    if (!keys.length) {
      this.request?.abort();
      this.view = null;
      this.draw();
      if (this.runs.length) this.say('Choose a run above.');
      return;
    }
    const parameters = {key: keys, quantity, first, stop, columns: FlowMap.columns(this.panelWidth())};
    const asked = JSON.stringify(parameters);
    if (this.request?.asked === asked) return; // it is on its way
    this.request?.abort();
    const request = (this.request = new AbortController());
    request.asked = asked;
    const tag = !isNew && asked === this.asked ? this.view?.tag : null;
    try {
      const view = await fetchFlow({...parameters, tag}, request.signal);
      if (request.signal.aborted) return;
      request.asked = null;
      this.hasChosen = true;
      if (!view.is_unchanged) {
        if (this.chooseRecorded(view)) return this.load(true);
        [this.view, this.asked] = [view, asked];
        this.draw();
      }
      if (this.view.runs.some((run) => !run.is_complete)) this.load();
    } catch (error) {
      if (request.signal.aborted) return;
      request.asked = null;
      this.say(error.message);
    }
  }

  /** Chooses another quantity if the first one was not recorded; returns whether it did. */
  chooseRecorded(view) {
    const recorded = new Set(view.runs.flatMap((run) => run.quantities));
    if (this.state.hasQuantity || !recorded.size) return false;
    this.state.hasQuantity = true;
    if (recorded.has(this.state.quantity)) return false;
    this.state.quantity = this.controls.menu.find(({name}) => recorded.has(name)).name;
    return true;
  }

  change(changes) {
    Object.assign(this.state, changes);
    this.say('');
    this.state.write();
    this.showRuns();
    this.load(true);
  }

  themed() {
    this.showRuns();
    this.histograms.forget(); // their ink depends on the theme
    this.draw();
  }

  showRuns() {
    this.controls.showRuns(this.runs, this.state.keys, this.colors(), this.maxRuns);
  }

  colors() {
    return this.state.keys.map((_, i) => runColor(i));
  }

  /** Whether the profile is below the maps, because the window has no room beside them. */
  isNarrow() {
    return document.body.clientWidth < PROFILE_WIDTH + NARROWEST_PANEL + 2 * GAP;
  }

  panelWidth() {
    const beside = this.isNarrow() ? 0 : PROFILE_WIDTH + GAP;
    const room = document.body.clientWidth - beside - GAP;
    const most = Math.max(Math.floor(room / NARROWEST_PANEL), 1);
    const across = Math.min(Math.max(this.state.keys.length, 1), most);
    return Math.floor(room / across) - GAP;
  }

  resized() {
    const width = this.panelWidth();
    if (width === this.drawnWidth) return;
    this.load(true);
  }

  // Drawing

  draw() {
    const {view, state} = this;
    const kept = new Set(view?.runs.map((run) => run.key));
    for (const [key, panel] of this.panels) {
      if (!kept.has(key)) {
        panel.element.remove();
        this.panels.delete(key);
      }
    }
    this.notes.replaceChildren();
    document.querySelector('aside').hidden = view === null;
    this.controls.showView(view, state);
    if (view === null) return;
    this.drawnWidth = this.panelWidth();
    document.querySelector('main').classList.toggle('narrow', this.isNarrow());
    this.panelsElement.style.setProperty('--panel-width', `${this.drawnWidth}px`);
    const rows = Math.max(view.num_depths, 1);
    this.size = {width: this.drawnWidth, height: Math.min(Math.max(20 * rows, 180), 420) + 60};
    if (state.depth >= rows) state.depth = 0;
    view.runs.forEach((run, i) => this.drawPanel(run, i));
    const {height} = this.size;
    this.profile.show(view, this.colors(), {width: PROFILE_WIDTH, height});
    this.writeNotes();
    this.showPointer();
  }

  drawPanel(run, i) {
    if (!this.panels.has(run.key)) {
      this.panels.set(run.key, new RunPanel({
        point: (depth, column) => this.point(depth, this.runOf(run.key), column),
        zoom: (first, last) => this.change({first, stop: last + 1}),
        goTo: (depth, step) => this.goTo(depth, step),
      }));
    }
    const panel = this.panels.get(run.key);
    const described = this.runs.find((one) => one.key === run.key);
    const shown = this.runs.filter((one) => this.state.keys.includes(one.key));
    const title = this.controls.title(described ?? {run: run.key}, shown.length > 1 ? shown : this.runs);
    panel.show(run, this.view, title, this.colors()[i], this.size);
    if (this.panelsElement.children[i] !== panel.element) {
      this.panelsElement.insertBefore(panel.element, this.panelsElement.children[i] ?? null);
    }
  }

  runOf(key) {
    return this.view.runs.find((run) => run.key === key);
  }

  writeNotes() {
    const {view} = this;
    const note = (text) => this.notes.append(element('p', {textContent: text}));
    const texts = view.runs.filter((run) => run.prediction).map((run) => run.prediction.text);
    new Set(texts).forEach((text) => note(`Dashed: ${text}.`));
    const others = view.runs.filter((run) => !run.is_matched_by_name);
    const titles = others.map((run) => this.panels.get(run.key).title).join(', ');
    if (titles) {
      note(`Some layers of ${titles} have other names than those of the run with the most layers and ` +
        'are matched by position.');
    }
    if (view.quantity.scale === 'log') {
      note('Exact zeros and what is not finite have no point. What lies beyond the scale is at its edge.');
    }
  }

  // The pointer: a depth and a step, the same in all charts

  point(depth, run, column) {
    const {state, view} = this;
    const last = run.steps.length - 1;
    state.depth = Math.min(Math.max(depth, 0), Math.max(view.num_depths - 1, 0));
    state.step = run.steps[Math.min(Math.max(column, 0), last)] ?? null;
    this.showPointer();
  }

  pointAtDepth(depth) {
    this.state.depth = Math.min(Math.max(depth, 0), this.view.num_depths - 1);
    this.showPointer();
  }

  /** Goes to a layer and a step that a diagnosis names, out of a zoom if it lies outside. */
  goTo(depth, step) {
    const {first, stop} = this.state;
    Object.assign(this.state, {depth, step});
    if ((first !== null && step < first) || (stop !== null && step >= stop)) {
      this.change({first: null, stop: null});
    } else {
      this.showPointer();
    }
  }

  /** Returns the last column of a run that begins at or before the pointer's step. */
  columnOf(run) {
    const {step} = this.state;
    const after = step === null ? -1 : run.steps.findIndex((each) => each > step);
    return (after < 0 ? run.steps.length : Math.max(after, 1)) - 1;
  }

  showPointer() {
    const {view, state} = this;
    if (!view?.runs.length) return;
    const columns = view.runs.map((run) => this.columnOf(run));
    this.profile.point(state.depth, columns);
    const panels = view.runs.map((run) => this.panels.get(run.key));
    panels.forEach((panel, i) => panel.point(state.depth, columns[i]));
    this.histograms.show(view, panels, state.depth, this.size);
    this.controls.showStep(view.runs[0], columns[0]);
    state.writeSoon();
  }

  /** Moves the pointer as a key says. */
  key(event) {
    const run = this.view?.runs[0];
    if (!run || event.target.closest('select, input, details')) return;
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    const isZoomed = this.state.first !== null || this.state.stop !== null;
    if (event.key === 'Escape' && isZoomed) {
      this.change({first: null, stop: null});
    }
    const move = moveOf(event.key, run.steps.length);
    if (move !== null) {
      event.preventDefault();
      this.point(this.state.depth + move.down, run, this.columnOf(run) + move.right);
    }
  }

  play() {
    const run = this.view?.runs[0];
    if (!run) return;
    const columns = () => this.view?.runs[0]?.steps.length ?? 0;
    this.player.toggle(this.columnOf(run), columns, (is) => this.controls.showPlaying(is));
  }

  say(text) {
    this.message.textContent = text;
  }
}

const NOTHING =
  'There is no log of GradientMonitor in this log directory yet. Write one: ' +
  'model.fit(..., callbacks=[vg_keras.GradientMonitor()]).';

function remoteMessage(path) {
  return (
    `${path} is not on a local disk, where alone this tab can read. ` +
    'Copy the log to this machine, and start TensorBoard on the copy.'
  );
}

export async function render() {
  await new Page().start();
}
