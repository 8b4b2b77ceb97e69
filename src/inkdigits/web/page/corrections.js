/** Corrections: the user gives the correct label of a digit, and the server stores it. */

import { ServiceError } from "./service.js";
import { count, formatMoment, nameLabel } from "./wording.js";

const UNKNOWN = "?"; // nothing selected yet

/** The form below the selected digit. Event: `saved`. */
export class CorrectionForm extends EventTarget {
  #form;
  #off;
  #truth;
  /** @type {boolean | null} Whether the server stores corrections; null if not known yet. */
  #kept = null;
  #select;
  #button;
  #message;
  #service;
  /** @type {import("./study.js").Study | null} */
  #study = null;
  /** @type {import("./service.js").Digit | undefined} The digit that the form corrects. */
  #digit;
  #follow = () => this.#reset();

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLElement} off shown if the server stores no corrections
   * @param {HTMLElement} truth shows the correct label instead, where it is known
   * @param {import("./service.js").Service} service
   */
  constructor(form, off, truth, service) {
    super();
    this.#form = form;
    this.#off = off;
    this.#truth = truth;
    this.#select = form.querySelector("select");
    this.#button = form.querySelector("button");
    this.#message = form.querySelector(".message");
    this.#service = service;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    this.#select.addEventListener("change", () => this.#showState());
  }

  /** @param {boolean} kept whether the server stores corrections */
  set kept(kept) {
    this.#kept = kept;
    this.#choosePart();
  }

  /** @param {import("./study.js").Study} study */
  show(study) {
    this.#study?.removeEventListener("change", this.#follow);
    study.addEventListener("change", this.#follow);
    this.#study = study;
    this.#reset();
  }

  /**
   * Selects a label and focuses the button that saves it.
   * @param {string} label "0" to "9", or "" for no digit
   * @returns {boolean} whether there is a digit to correct
   */
  propose(label) {
    if (this.#form.hidden || this.#study?.digit === undefined) return false;
    this.#select.value = label;
    this.#showState();
    (this.#button.disabled ? this.#select : this.#button).focus();
    return true;
  }

  /** Shows the form; or how to enable corrections; or, for a test image, its true label. */
  #choosePart() {
    const truth = this.#study?.truth ?? null;
    this.#form.hidden = truth !== null || this.#kept !== true;
    this.#off.hidden = truth !== null || this.#kept !== false;
    this.#truth.hidden = truth === null;
    this.#truth.textContent =
      `True label: ${truth}. This is a test image of MNIST: models are measured on it, so it is ` +
      "not corrected.";
  }

  #reset() {
    this.#choosePart();
    const before = this.#digit;
    this.#digit = this.#study.digit;
    if (isSame(before, this.#digit)) return;
    this.#select.value = UNKNOWN;
    this.#message.textContent = "";
    this.#showState();
  }

  #showState() {
    const label = this.#select.value;
    const same = this.#digit !== undefined && label === toLabel(this.#digit);
    this.#button.disabled = label === UNKNOWN || same;
    if (label === UNKNOWN) return;
    this.#message.textContent = same ? `It was already read as ${nameLabel(label)}.` : "";
  }

  async #save() {
    const digit = this.#digit;
    const label = this.#select.value;
    if (digit === undefined || this.#button.disabled) return;
    const read = toLabel(digit);
    this.#button.disabled = true;
    this.#message.textContent = "Saving …";
    let message = `Saved: ${nameLabel(label)}, read as ${nameLabel(read)}.`;
    try {
      const picture = await this.#study.cropChosen();
      await this.#service.saveCorrection({ label, read, tile: digit.tile, picture });
      this.dispatchEvent(new CustomEvent("saved"));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      message = `Not saved. ${error.message}`;
      this.#button.disabled = false;
    }
    if (isSame(digit, this.#digit)) this.#message.textContent = message;
  }
}

/** The list of stored corrections. */
export class CorrectionsView {
  #root;
  #service;

  /** @param {HTMLElement} root @param {import("./service.js").Service} service */
  constructor(root, service) {
    this.#root = root;
    this.#service = service;
    const dialog = root.querySelector("dialog");
    root.querySelector("#delete-all").addEventListener("click", () => dialog.showModal());
    dialog.querySelector("#delete-no").addEventListener("click", () => dialog.close());
    dialog.querySelector("#delete-yes").addEventListener("click", () => {
      dialog.close();
      this.#delete(() => service.deleteCorrections(), "All corrections are deleted.");
    });
  }

  /** Reloads the list. @param {string} [news] message to show above it */
  async enter(news = "") {
    this.#say(news || "Loading corrections …");
    let kept;
    try {
      kept = await this.#service.fetchCorrections();
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#show([], "");
      this.#say(error.status === 403 ? "" : error.message);
      this.#root.querySelector("#corrections-off").hidden = error.status !== 403;
      return;
    }
    this.#root.querySelector("#corrections-off").hidden = true;
    this.#show(kept.corrections, kept.folder);
    const n = kept.corrections.length;
    this.#say(news || (n ? `${count(n, "correction", "corrections")} stored.` : "No corrections yet."));
  }

  /** @param {{id: string, label: string, read: string, saved: string}[]} kept @param {string} folder */
  #show(kept, folder) {
    const template = this.#root.querySelector("#correction-row");
    const newestFirst = kept.toSorted((one, other) => other.saved.localeCompare(one.saved));
    const rows = newestFirst.map(({ id, label, read, saved }) => {
      const row = template.content.cloneNode(true).querySelector("tr");
      row.querySelector(".label").textContent = nameLabel(label);
      row.querySelector(".read").textContent = nameLabel(read);
      const time = row.querySelector("time");
      time.dateTime = saved;
      time.textContent = formatMoment(saved);
      const button = row.querySelector("button");
      const name = `${nameLabel(label)}, read as ${nameLabel(read)}`;
      button.setAttribute("aria-label", `Delete the correction ${name}`);
      button.addEventListener("click", () => {
        this.#delete(() => this.#service.deleteCorrection(id), `Deleted: ${name}.`);
      });
      return row;
    });
    this.#root.querySelector("tbody").replaceChildren(...rows);
    this.#root.querySelector("#kept").hidden = rows.length === 0;
    for (const place of this.#root.querySelectorAll(".folder")) place.textContent = folder;
  }

  /** @param {() => Promise<unknown>} work @param {string} news */
  async #delete(work, news) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#say(error.message);
      return;
    }
    // The focused button is gone: keyboard and screen reader continue from the message.
    this.#root.querySelector("#corrections-message").focus();
    await this.enter(news);
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#root.querySelector("#corrections-message").textContent = sentence;
  }
}

/**
 * Returns whether two digits have the same tile and the same reading.
 * @param {import("./service.js").Digit | undefined} one
 * @param {import("./service.js").Digit | undefined} other
 */
function isSame(one, other) {
  return one?.digit === other?.digit && String(one?.tile) === String(other?.tile);
}

/** @param {import("./service.js").Digit} digit */
function toLabel(digit) {
  return digit.digit === null ? "" : String(digit.digit);
}
