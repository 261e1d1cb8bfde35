// Who sees whom: every viewer has a slot for the video of each other one.

export class Room {
  #viewers = new Set();

  enter(viewer) {
    this.#viewers.add(viewer);
    this.arrange();
  }

  leave(viewer) {
    this.#viewers.delete(viewer);
    for (const other of this.#viewers) other.slots.forEach((slot) => slot.source === viewer.video && slot.empty());
  }

  /** Fills free slots with what their viewers do not see yet. */
  arrange() {
    for (const viewer of this.#viewers) {
      for (const video of this.#othersOf(viewer)) {
        if (viewer.slots.some(({ source }) => source === video)) continue;
        viewer.slots.find(({ source }) => source === undefined)?.show(video);
      }
    }
  }

  /** How many slots a viewer could use. */
  wantedBy(viewer) {
    return this.#othersOf(viewer).length;
  }

  #othersOf(viewer) {
    return Array.from(this.#viewers, ({ video }) => video).filter((video) => video && video !== viewer.video);
  }
}
