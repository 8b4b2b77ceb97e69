/** Saves what is shown: the reading as JSON, and its picture with boxes and labels. */

import { toPng } from "./crops.js";
import { saveFile } from "./table.js";

const READ = "#0072b2"; // the colours of `inkdigits predict --annotate`
const REJECTED = "#d55e00";
const MARK = "#8c8c8c";
const SHORTEST_SIDE = 320; // pixels; smaller pictures are enlarged, so that labels are legible

/** The buttons below a reading. */
export class Downloads {
  #root;
  #message;
  /** @type {import("./study.js").Study | null} */
  #study = null;
  #follow = () => this.#showState();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#message = root.querySelector(".message");
    root.querySelector("#save-picture").addEventListener("click", () => this.#savePicture());
    root.querySelector("#save-json").addEventListener("click", () => this.#saveJson());
  }

  /** @param {import("./study.js").Study} study */
  show(study) {
    this.#study?.removeEventListener("change", this.#follow);
    study.addEventListener("change", this.#follow);
    this.#study = study;
    this.#showState();
  }

  #showState() {
    this.#root.hidden = this.#study.reading === null;
    this.#message.textContent = "";
  }

  async #savePicture() {
    const { reading, name } = this.#study;
    let picture;
    try {
      picture = await this.#study.openPicture();
    } catch {
      this.#message.textContent =
        "This browser cannot draw this file. In a terminal, inkdigits predict --annotate does.";
      return;
    }
    saveFile(`${nameFile(name, reading)}-read.png`, await toPng(annotate(picture, reading)));
  }

  #saveJson() {
    const { reading, name } = this.#study;
    const digits = reading.digits.map(({ tile, heat, ...digit }) => digit);
    const text = JSON.stringify({ ...reading, file: name, digits }, null, 2);
    saveFile(`${nameFile(name, reading)}.json`, new Blob([text], { type: "application/json" }));
  }
}

/**
 * Draws a picture with boxes, digits and confidences.
 * @param {HTMLCanvasElement | ImageBitmap} picture
 * @param {import("./service.js").Reading} reading
 */
function annotate(picture, reading) {
  const longest = Math.max(reading.width, reading.height);
  const scale = Math.max(1, Math.floor(SHORTEST_SIDE / longest));
  const canvas = document.createElement("canvas");
  canvas.width = scale * reading.width;
  canvas.height = scale * reading.height;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // behind transparent pictures
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = scale === 1;
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const size = Math.max(12, Math.round(Math.max(canvas.width, canvas.height) / 50));
  context.font = `600 ${size}px sans-serif`;
  context.textBaseline = "bottom";
  for (const { box } of reading.marks) drawBox(context, box, scale, MARK, 1);
  for (const digit of reading.digits) {
    const colour = digit.digit === null ? REJECTED : READ;
    const [left, top, bottom] = drawBox(context, digit.box, scale, colour, Math.ceil(size / 8));
    const below = Math.min(bottom + size + 2, canvas.height);
    drawLabel(context, describe(digit), left, top >= size + 2 ? top : below, colour);
  }
  return canvas;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number, number, number]} box
 * @param {number} scale
 * @param {string} colour
 * @param {number} width of the line in pixels
 */
function drawBox(context, box, scale, colour, width) {
  const [left, top, across, down] = box.map((value) => scale * value);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(left, top, across, down);
  return [left, top, top + down];
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} left
 * @param {number} bottom
 * @param {string} colour
 */
function drawLabel(context, text, left, bottom, colour) {
  const { width } = context.measureText(text);
  const height = Number.parseInt(context.font.split(" ")[1], 10) + 2;
  const x = Math.max(0, Math.min(left, context.canvas.width - width - 4));
  context.fillStyle = "#fff";
  context.fillRect(x, bottom - height, width + 4, height);
  context.fillStyle = colour;
  context.fillText(text, x + 2, bottom);
}

/** @param {import("./service.js").Digit} digit */
function describe({ digit, character, confidence, probabilities }) {
  const sure = `${Math.min(Math.round(100 * confidence), 99)}%`; // no reading is certain
  if (digit !== null) return `${digit} ${sure}`;
  const best = probabilities.indexOf(Math.max(...probabilities));
  return `${character || "–"} (${best} ${sure})`;
}

/**
 * Returns the name of the picture without its suffix, with the number of the page if it is one.
 * @param {string} name
 * @param {import("./service.js").Reading} reading
 */
function nameFile(name, reading) {
  const page = reading.page ? `-page-${reading.page}` : "";
  return `${name.replace(/\.[^.]*$/, "")}${page}`;
}
