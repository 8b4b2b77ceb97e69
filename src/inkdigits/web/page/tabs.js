/** Tabs according to the ARIA Authoring Practices; the open tab is in the URL's hash. */

/** Event: `open` when another tab opens; the property `open` is its name. */
export class Tabs extends EventTarget {
  open = "";
  #tabs;

  /** @param {HTMLElement} list contains one button per panel */
  constructor(list) {
    super();
    this.#tabs = [...list.querySelectorAll("[role=tab]")];
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.show(nameOf(tab)));
    list.addEventListener("keydown", (event) => this.#step(event));
    addEventListener("hashchange", () => this.show(location.hash.slice(1)));
  }

  /** Opens the tab of the URL's hash, or else this tab. @param {string} name */
  start(name) {
    this.show(name);
    this.show(location.hash.slice(1));
  }

  /** @param {string} name ignored if there is no such tab */
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
