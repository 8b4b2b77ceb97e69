/** The gallery view: MNIST samples and the model's most confident mistakes, read on click. */

import { decodeBase64 } from "./crops.js";
import { Study } from "./study.js";
import { formatShare } from "./wording.js";

/**
 * @typedef {object} Item
 * @property {number} label the correct digit
 * @property {string} png the tile as a base64 PNG file
 * @property {number} [read] the digit that the model read
 * @property {number} [confidence] 0 to 1
 */

export class GalleryView extends EventTarget {
  study;
  #root;
  #loaded = false;

  /**
   * @param {HTMLElement} root
   * @param {import("./service.js").Service} service
   * @param {() => import("./service.js").Options} chooseOptions
   */
  constructor(root, service, chooseOptions) {
    super();
    this.#root = root;
    this.study = new Study(service, () => ({ ...chooseOptions(), oneDigit: true }));
  }

  /** Loads the gallery when it is first opened. */
  async enter() {
    if (this.#loaded) return;
    this.#loaded = true;
    let gallery;
    try {
      const answer = await fetch(new URL("gallery.json", import.meta.url));
      if (!answer.ok) throw new TypeError(`status ${answer.status}`);
      gallery = await answer.json();
    } catch {
      this.#loaded = false;
      this.#say("The gallery could not be loaded. Open it again to retry.");
      return;
    }
    this.#say("");
    const share = gallery.n_mistakes / gallery.n_images;
    this.#root.querySelector("#mistakes-note").textContent =
      `The model “${gallery.model}” misreads ${gallery.n_mistakes} of ` +
      `${gallery.n_images.toLocaleString("en-GB")} test digits (${formatShare(share)}). ` +
      "These are its most confident mistakes.";
    this.#fill("#samples", gallery.samples, (item) => `A ${item.label}`);
    this.#fill("#mistakes", gallery.mistakes, describeMistake);
  }

  reread() {
    return this.study.reread();
  }

  /**
   * @param {string} list
   * @param {Item[]} items
   * @param {(item: Item) => string} describe
   */
  #fill(list, items, describe) {
    const template = this.#root.querySelector("#gallery-item");
    const entries = items.map((item) => {
      const entry = template.content.cloneNode(true);
      entry.querySelector("img").src = `data:image/png;base64,${item.png}`;
      const button = entry.querySelector("button");
      button.setAttribute("aria-label", `${describe(item)}: read it`);
      button.addEventListener("click", () => this.#read(item, button));
      const caption = entry.querySelector(".caption");
      if (item.read === undefined) caption.remove();
      else fillCaption(caption, item);
      return entry;
    });
    this.#root.querySelector(list).replaceChildren(...entries);
  }

  /** @param {Item} item @param {HTMLButtonElement} button */
  async #read(item, button) {
    for (const other of this.#root.querySelectorAll("[aria-pressed=true]")) {
      other.setAttribute("aria-pressed", "false");
    }
    button.setAttribute("aria-pressed", "true");
    const blob = decodeBase64(item.png, "image/png");
    await this.study.read(async () => ({ blob, open: () => createImageBitmap(blob) }));
    this.dispatchEvent(new CustomEvent("chosen"));
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#root.querySelector("#gallery-message").textContent = sentence;
  }
}

/** @param {Item} item */
function describeMistake({ label, read, confidence }) {
  return `A ${label} that was read as ${read}, ${formatShare(confidence)} sure`;
}

/** @param {HTMLElement} caption @param {Item} item */
function fillCaption(caption, { label, read, confidence }) {
  const truth = document.createElement("b");
  truth.textContent = `${label}`;
  const mistake = document.createElement("em");
  mistake.textContent = `${read}`;
  const sure = document.createElement("small");
  sure.textContent = formatShare(confidence);
  caption.replaceChildren(truth, " → ", mistake, sure);
}
