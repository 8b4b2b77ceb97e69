/** Tabs as the ARIA Authoring Practices have them; the open one stands in the address. */

/** Event: `open` when another tab was opened; `open` is its name. */
export class Tabs extends EventTarget {
  open = "";
  #tabs;

  /** @param {HTMLElement} list holds buttons that control a panel each */
  constructor(list) {
    super();
    this.#tabs = [...list.querySelectorAll("[role=tab]")];
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.show(nameOf(tab)));
    list.addEventListener("keydown", (event) => this.#step(event));
    addEventListener("hashchange", () => this.show(location.hash.slice(1)));
  }

  /** Opens what the address names, or else this tab. @param {string} name */
  start(name) {
    this.show(name);
    this.show(location.hash.slice(1));
  }

  /** @param {string} name one that is no tab's is passed over */
  show(name) {
    if (name === this.open || !this.#tabs.some((tab) => nameOf(tab) === name)) return;
    const first = this.open === "";
    this.open = name;
    for (const tab of this.#tabs) {
      const selected = nameOf(tab) === name;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      document.getElementById(nameOf(tab)).hidden = !selected;
    }
    if (!first) history.replaceState(null, "", `#${name}`);
    this.dispatchEvent(new CustomEvent("open"));
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    const here = this.#tabs.indexOf(/** @type {any} */ (event.target));
    const last = this.#tabs.length - 1;
    const steps = {
      ArrowLeft: here === 0 ? last : here - 1,
      ArrowRight: here === last ? 0 : here + 1,
      Home: 0,
      End: last,
    };
    const tab = this.#tabs[steps[event.key] ?? -1];
    if (tab === undefined) return;
    event.preventDefault();
    this.show(nameOf(tab));
    tab.focus();
  }
}

/** @param {Element} tab */
function nameOf(tab) {
  return tab.getAttribute("aria-controls");
}
