/** The gallery view: MNIST samples and the most confident mistakes of a model, read on click. */

import { decodeBase64 } from "./crops.js";
import { ServiceError } from "./service.js";
import { Study } from "./study.js";
import { formatShare } from "./wording.js";

const POLL_MS = 10_000; // while the gallery of the model is computed, which takes minutes

/** @typedef {import("./service.js").GalleryItem} Item */

export class GalleryView extends EventTarget {
  study;
  #root;
  #service;
  #loading = false;
  #complete = false;
  #shown = ""; // the model whose mistakes are shown

  /**
   * @param {HTMLElement} root
   * @param {import("./service.js").Service} service
   * @param {() => import("./service.js").Options} chooseOptions
   */
  constructor(root, service, chooseOptions) {
    super();
    this.#root = root;
    this.#service = service;
    this.study = new Study(service, () => ({ ...chooseOptions(), oneDigit: true }));
  }

  /** Loads the gallery when it is first opened, and again until that of the model is there. */
  async enter() {
    if (this.#loading || this.#complete) return;
    this.#loading = true;
    try {
      const gallery = await this.#service.fetchGallery();
      this.#show(gallery);
      this.#complete = !gallery.is_pending;
      if (gallery.is_pending) setTimeout(() => this.#root.hidden || this.enter(), POLL_MS);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#say(`The gallery could not be loaded. ${error.message} Open it again to retry.`);
    } finally {
      this.#loading = false;
    }
  }

  /** @param {import("./service.js").Gallery} gallery */
  #show(gallery) {
    this.#say("");
    this.#root.querySelector("#mistakes-note").textContent = describeGallery(gallery);
    const whose = `${gallery.is_own} ${gallery.model}`;
    if (whose === this.#shown) return; // keeps the focus and the chosen digit
    this.#shown = whose;
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
      if ((item.read ?? null) === null) caption.remove();
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
    this.study.truth = String(item.label);
    const blob = decodeBase64(item.png, "image/png");
    await this.study.read(async () => ({ blob, open: () => createImageBitmap(blob) }));
    this.dispatchEvent(new CustomEvent("chosen"));
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#root.querySelector("#gallery-message").textContent = sentence;
  }
}

/** @param {import("./service.js").Gallery} gallery */
function describeGallery({ serving, is_own, is_pending, model, n_images, n_mistakes }) {
  const sentence =
    `The model “${model}” misreads ${n_mistakes} of ${n_images.toLocaleString("en-GB")} test ` +
    `digits (${formatShare(n_mistakes / n_images)}). These are its most confident mistakes.`;
  if (is_own) return sentence;
  const other = ` It comes with inkdigits; the model in use here is another one, “${serving}”.`;
  const pending = " Its mistakes are being computed, which takes some minutes.";
  return sentence + other + (is_pending ? pending : "");
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
