/** Boxes over what was read. They are for the eye: the list of digits is for everybody. */

import { formatShare } from "./wording.js";

export class Boxes {
  #layer;
  /** @type {import("./service.js").Reading | null} */
  #reading = null;

  /** @param {HTMLElement} layer lies exactly over the picture */
  constructor(layer) {
    this.#layer = layer;
  }

  /**
   * @param {import("./service.js").Reading | null} reading
   * @param {number} [chosen] number of the chosen digit
   */
  show(reading, chosen = 0) {
    this.#reading = reading;
    this.#layer.replaceChildren(...(reading?.digits ?? []).map((digit) => drawBox(digit, reading)));
    this.choose(chosen);
  }

  /** @param {number} chosen */
  choose(chosen) {
    [...this.#layer.children].forEach((box, i) => box.classList.toggle("chosen", i === chosen));
  }

  /**
   * The number of the smallest box at a place; -1 where there is none.
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
  const [left, top, width, height] = digit.box;
  const box = document.createElement("div");
  box.className = digit.digit === null ? "box refused" : "box";
  box.style.left = `${(100 * left) / picture.width}%`;
  box.style.top = `${(100 * top) / picture.height}%`;
  box.style.width = `${(100 * width) / picture.width}%`;
  box.style.height = `${(100 * height) / picture.height}%`;
  const label = document.createElement("span");
  label.className = top < 0.1 * picture.height ? "box-label below" : "box-label";
  label.textContent = digit.digit === null ? "–" : String(digit.digit);
  label.title = formatShare(digit.confidence);
  box.append(label);
  return box;
}
