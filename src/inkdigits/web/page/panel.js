/** The reading panel: the text, the list of digits, and the details of the selected digit. */

import { drawTile, makeTile } from "./tile.js";
import {
  describeDigit,
  describeReading,
  describeSureness,
  explainDigit,
  formatShare,
} from "./wording.js";

const DIGITS = [..."0123456789"];
const ANNOUNCEMENT_PAUSE_MS = 700; // so that a screen reader stays silent during drawing

/** Event: `options` when the user changes them; `detail.heat` if only heat maps are affected. */
export class ReadingPanel extends EventTarget {
  /** @type {number | null} The model's own minimum confidence, 0 to 1; null if it is unknown. */
  threshold = null;
  #root;
  /** @type {import("./study.js").Study | null} */
  #study = null;
  /** @type {import("./service.js").Digit[]} The digits in the list. */
  #listed = [];
  #invitation = "";
  #said = "";
  #timer = 0;
  #show = () => this.#paint();

  /** @param {HTMLElement} root */
  constructor(root) {
    super();
    this.#root = root;
    this.#find("#digits").addEventListener("change", (event) => {
      this.#study?.choose(Number(event.target.value));
    });
    for (const [id, detail] of [
      ["#one-digit", { heat: false }],
      ["#separators", { heat: false }],
      ["#threshold", { heat: false }],
      ["#heat", { heat: true }],
    ]) {
      this.#find(id).addEventListener("change", () => {
        this.dispatchEvent(new CustomEvent("options", { detail }));
      });
    }
    this.#makeBars();
  }

  /** @returns {import("./service.js").Options} */
  get options() {
    const percent = this.#find("#threshold").valueAsNumber; // NaN if the field is empty
    return {
      oneDigit: this.#find("#one-digit").checked,
      separators: this.#find("#separators").checked,
      threshold: Number.isNaN(percent) ? null : Math.min(Math.max(percent, 0), 100) / 100,
      heat: this.#find("#heat").checked,
    };
  }

  /**
   * Shows a study and follows its changes.
   * @param {import("./study.js").Study} study
   * @param {string} invitation text while there is no picture
   */
  show(study, invitation) {
    this.#study?.removeEventListener("change", this.#show);
    study.addEventListener("change", this.#show);
    this.#study = study;
    this.#invitation = invitation;
    this.#paint();
  }

  /** The minimum confidence of a digit, 0 to 1; null if it is unknown. */
  get #limit() {
    return this.options.threshold ?? this.threshold;
  }

  #paint() {
    const { reading, error, busy, chosen, digit, remark } = this.#study;
    this.#root.classList.toggle("busy", busy);
    const text = this.#find("#text");
    text.textContent = reading?.text || "";
    text.hidden = !reading?.text;
    text.className = `text ${chooseSize(reading?.text ?? "")}`;
    const sentence = this.#describe();
    this.#find("#sentence").textContent = reading?.text
      ? describeSureness(reading)
      : sentence;
    this.#find("#sentence").classList.toggle("failure", error !== null);
    this.#find("#notes").textContent = [...(reading?.notes ?? []), remark].join(" ").trim();
    this.#listDigits(reading?.digits ?? [], chosen);
    this.#find("#digit").hidden = digit === undefined;
    // A single digit: its heading would repeat the reading above it.
    this.#find("#digit header").classList.toggle("spoken", reading?.digits.length === 1);
    if (digit !== undefined) this.#showDigit(digit);
    this.#announce(busy && reading === null ? "" : sentence);
  }

  #describe() {
    const { reading, error, busy } = this.#study;
    if (error !== null) return error;
    if (reading === null) return busy ? "Reading …" : this.#invitation;
    const [digit, ...others] = reading.digits;
    if (digit?.reason && others.length === 0) return explainDigit(digit, this.#limit);
    return describeReading(reading);
  }

  /** @param {import("./service.js").Digit[]} digits @param {number} chosen */
  #listDigits(digits, chosen) {
    const list = this.#find("#digits");
    list.hidden = digits.length < 2;
    if (digits !== this.#listed) {
      const hadFocus = list.contains(document.activeElement);
      list.querySelector(".chips").replaceChildren(...digits.map(makeChip));
      this.#listed = digits;
      if (hadFocus) list.querySelectorAll("input")[chosen]?.focus();
    }
    const choice = list.querySelectorAll("input")[chosen];
    if (choice) choice.checked = true;
  }

  /** @param {import("./service.js").Digit} digit */
  #showDigit(digit) {
    const shares = sumShares(digit.class_probabilities);
    const best = shares.indexOf(Math.max(...shares));
    const read = digit.digit !== null;
    this.#find("#digit-name").textContent = nameDigit(digit);
    this.#find("#digit-reason").textContent = read
      ? `${formatShare(digit.confidence)} sure`
      : explainDigit(digit, this.#limit);
    this.#root.querySelectorAll(".bars tr").forEach((row, place) => {
      const share = shares[place];
      row.classList.toggle("best", place === best);
      row.querySelector(".bar div").style.transform = `scaleX(${share})`;
      row.querySelector(".share").textContent = formatShare(share);
    });
    const heat = this.options.heat ? digit.heat : undefined;
    drawTile(this.#find("#tile"), digit.tile, heat);
    const bars = this.#find(".bars");
    bars.classList.toggle("limited", digit.reason?.startsWith("too uncertain") ?? false);
    bars.style.setProperty("--threshold", String(this.#limit ?? 0));
    this.#find("#legend").hidden = heat === undefined;
  }

  #makeBars() {
    const row = this.#find("#bar-row");
    for (const label of [...DIGITS, "sign", "none"]) {
      const copy = row.content.cloneNode(true);
      copy.querySelector("th").textContent = label;
      this.#find(".bars tbody").append(copy);
    }
  }

  /** @param {string} sentence */
  #announce(sentence) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (sentence === this.#said) return;
      this.#said = sentence;
      this.#find("#announcement").textContent = sentence;
    }, ANNOUNCEMENT_PAUSE_MS);
  }

  /** @param {string} selector @returns {any} */
  #find(selector) {
    return this.#root.querySelector(selector);
  }
}

/** @param {import("./service.js").Digit} digit @param {number} number */
function makeChip(digit, number) {
  const chip = document.createElement("label");
  chip.className = digit.digit === null ? "chip rejected" : "chip";
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "digit";
  input.value = String(number);
  const name = document.createElement("span");
  name.textContent = digit.character || "–";
  name.setAttribute("aria-hidden", "true");
  const spoken = document.createElement("span");
  spoken.className = "spoken";
  spoken.textContent = describeDigit(digit);
  const tile = makeTile(digit.tile);
  tile.setAttribute("aria-hidden", "true");
  chip.append(input, tile, name, spoken);
  return chip;
}

/** @param {import("./service.js").Digit} digit */
function nameDigit(digit) {
  if (digit.digit !== null) return `Digit ${digit.digit}`;
  return digit.character === "?" ? "Uncertain digit" : "No digit";
}

/**
 * Returns the probabilities of the ten digits, of all other marks together, and of none.
 * @param {Record<string, number>} shares probability of each class
 */
function sumShares(shares) {
  const digits = DIGITS.map((label) => shares[label]);
  const rest = 1 - shares.none - digits.reduce((sum, share) => sum + share, 0);
  return [...digits, Math.max(0, rest), shares.none];
}

/** Returns a font size at which the text fits. @param {string} text */
function chooseSize(text) {
  const longest = Math.max(...text.split("\n").map((line) => line.length));
  const lines = text.split("\n").length;
  if (longest > 14 || lines > 4) return "small";
  return longest > 6 || lines > 1 ? "medium" : "large";
}
