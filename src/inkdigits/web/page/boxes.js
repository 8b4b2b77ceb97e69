/** Boxes over the digits. Visual only: screen readers use the list of digits. */

import { describeDigit } from "./wording.js";

export class Boxes {
  #layer;
  /** @type {import("./service.js").Reading | null} */
  #reading = null;

  /** @param {HTMLElement} covers exactly the picture */
  constructor(layer) {
    this.#layer = layer;
  }

  /**
   * @param {import("./service.js").Reading | null} reading
   * @param {number} [chosen] index of the selected digit
   */
  show(reading, chosen = 0) {
    this.#reading = reading;
    const digits = (reading?.digits ?? []).map((digit) => drawBox(digit, reading));
    const marks = (reading?.marks ?? []).map((mark) => drawMark(mark, reading));
    this.#layer.replaceChildren(...digits, ...marks);
    this.choose(chosen);
  }

  /** @param {number} chosen */
  choose(chosen) {
    [...this.#layer.children].forEach((box, i) => box.classList.toggle("chosen", i === chosen));
  }

  /**
   * Returns the index of the smallest box at a point, or -1.
   * @param {number} x in pixels of the picture
   * @param {number} y
   */
  find(x, y) {
    const hits = (this.#reading?.digits ?? [])
      .map(({ box: [left, top, width, height] }, number) => ({
        number,
        area: width * height,
        inside: x >= left && x <= left + width && y >= top && y <= top + height,
      }))
      .filter(({ inside }) => inside)
      .sort((one, other) => one.area - other.area);
    return hits[0]?.number ?? -1;
  }
}

/**
 * @param {import("./service.js").Digit} digit
 * @param {{width: number, height: number}} picture
 */
function drawBox(digit, picture) {
  const box = placeBox(digit.box, picture);
  box.className = digit.digit === null ? "box rejected" : "box";
  const label = document.createElement("span");
  label.className = digit.box[1] < 0.1 * picture.height ? "box-label below" : "box-label";
  label.textContent = digit.character || "–";
  label.title = describeDigit(digit);
  box.append(label);
  return box;
}

/**
 * Draws a mark that is not a digit, in a lighter style.
 * @param {import("./service.js").Mark} mark
 * @param {{width: number, height: number}} picture
 */
function drawMark(mark, picture) {
  const box = placeBox(mark.box, picture);
  box.className = "mark";
  box.title = mark.kind;
  return box;
}

/**
 * Returns an element that covers a box, for a layer that covers exactly the picture.
 * @param {[number, number, number, number]} box
 * @param {{width: number, height: number}} picture
 */
export function placeBox([left, top, width, height], picture) {
  const place = document.createElement("div");
  place.style.left = `${(100 * left) / picture.width}%`;
  place.style.top = `${(100 * top) / picture.height}%`;
  place.style.width = `${(100 * width) / picture.width}%`;
  place.style.height = `${(100 * height) / picture.height}%`;
  return place;
}
