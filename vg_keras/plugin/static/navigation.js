// How the pointer moves: by keys, and by itself while the steps are played.

const MILLISECONDS_PER_COLUMN = 80;

/** Returns how far a key moves the pointer, as layers down and columns right; null if it does not. */
export function moveOf(key, columns) {
  const page = Math.max(Math.round(columns / 10), 1);
  const moves = {
    ArrowUp: {down: -1, right: 0},
    ArrowDown: {down: 1, right: 0},
    ArrowLeft: {down: 0, right: -1},
    ArrowRight: {down: 0, right: 1},
    PageUp: {down: 0, right: -page},
    PageDown: {down: 0, right: page},
    Home: {down: 0, right: -columns},
    End: {down: 0, right: columns},
  };
  return moves[key] ?? null;
}

/** Plays through the steps. */
export class Player {
  /** @param show called with each column. */
  constructor(show) {
    this.show = show;
    this.timer = null;
  }

  /**
   * Begins or stops to play.
   *
   * @param column where the pointer is; at the end, the steps are played from the beginning.
   * @param columns returns the number of columns, which may grow.
   * @param onChange called with whether the steps are being played.
   */
  toggle(column, columns, onChange) {
    const stop = () => {
      clearInterval(this.timer);
      this.timer = null;
      onChange(false);
    };
    if (this.timer !== null) {
      stop();
      return;
    }
    let next = column >= columns() - 1 ? 0 : column + 1;
    this.timer = setInterval(() => {
      if (next >= columns()) {
        stop();
      } else {
        this.show(next++);
      }
    }, MILLISECONDS_PER_COLUMN);
    onChange(true);
  }
}
