/** Draws feature maps, filters, and the patch of a tile that a map answers to. */

const STRONGEST = "rgb(240 120 20)"; // frame of the map that answers most
const NEGATIVE = [60, 140, 240];
const GAP = 4; // CSS pixels between two maps: room for their frames
const MAP_SIDE = 42; // CSS pixels, about; a map in the overview
const UNIT_SIDE = 18; // of a single value
const GAMMA = 0.6; // below 1, so that weak answers are visible beside the strongest of a layer
const ZERO = 128; // byte of a weight of 0

/**
 * @typedef {object} Maps
 * @property {number} count
 * @property {number} height of each map in values
 * @property {number} width
 * @property {HTMLCanvasElement} strip the maps one below the other, one pixel for each value
 */

/**
 * Turns the maps of a layer into pixels: positive values light, negative ones blue, 0 black.
 * @param {import("./service.js").Layer} layer
 * @returns {Maps}
 */
export function makeMaps({ shape: [count, height, width], maps, low, high }) {
  const zero = high > low ? (255 * -low) / (high - low) : 0;
  const bytes = decodeBytes(maps);
  return { count, height, width, strip: paint(bytes, width, count * height, zero, GAMMA) };
}

/**
 * Turns a filter into pixels as `makeMaps` does.
 * @param {import("./service.js").Filter} filter
 * @returns {Maps}
 */
export function makeKernels({ shape: [count, height, width], kernels }) {
  return { count, height, width, strip: paint(decodeBytes(kernels), width, count * height, ZERO) };
}

/** A grid of maps on a canvas. */
export class MapGrid {
  #canvas;
  #mapSide;
  #columns = 1;
  #side = 1;
  #count = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} [mapSide] about the side of a map in CSS pixels
   */
  constructor(canvas, mapSide = MAP_SIDE) {
    this.#canvas = canvas;
    this.#mapSide = mapSide;
  }

  /** Number of maps in a row. */
  get columns() {
    return this.#columns;
  }

  /**
   * @param {Maps} maps
   * @param {number | null} strongest
   * @param {number | null} chosen
   */
  draw(maps, strongest = null, chosen = null) {
    const available = this.#canvas.parentElement.clientWidth;
    if (available === 0) return; // hidden
    const wanted = maps.height * maps.width === 1 ? UNIT_SIDE : this.#mapSide;
    this.#count = maps.count;
    this.#columns = Math.max(1, Math.min(maps.count, Math.floor(available / wanted)));
    this.#side = Math.min(Math.floor(available / this.#columns), wanted + GAP + 2);
    const rows = Math.ceil(maps.count / this.#columns);
    const context = resize(this.#canvas, this.#columns * this.#side, rows * this.#side);
    for (let number = 0; number < maps.count; number++) {
      const { x, y } = this.#locate(number);
      drawMap(context, maps, number, x, y, this.#side - GAP);
    }
    if (strongest !== null) this.#frame(context, strongest, STRONGEST);
    if (chosen !== null) this.#frame(context, chosen, getComputedStyle(this.#canvas).color);
  }

  /** Returns the number of the map at a place in the window; -1 if there is none. */
  find(/** @type {number} */ clientX, /** @type {number} */ clientY) {
    const frame = this.#canvas.getBoundingClientRect();
    const column = Math.floor((clientX - frame.left) / this.#side);
    const number = Math.floor((clientY - frame.top) / this.#side) * this.#columns + column;
    return column < this.#columns && number < this.#count ? number : -1;
  }

  /** @param {number} number */
  #locate(number) {
    return {
      x: (number % this.#columns) * this.#side + GAP / 2,
      y: Math.floor(number / this.#columns) * this.#side + GAP / 2,
    };
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} number
   * @param {string} colour
   */
  #frame(context, number, colour) {
    const { x, y } = this.#locate(number);
    const side = this.#side - GAP;
    context.lineWidth = 3;
    context.strokeStyle = colour;
    context.strokeRect(x - 1, y - 1, side + 2, side + 2);
  }
}

/**
 * Draws one map as large as a canvas should be, and marks a value.
 * @param {HTMLCanvasElement} canvas
 * @param {Maps} maps
 * @param {number} number
 * @param {number} scale CSS pixels of one value
 * @param {number[] | null} mark row and column of the marked value
 */
export function drawOneMap(canvas, maps, number, scale, mark) {
  const context = resize(canvas, scale * maps.width, scale * maps.height);
  const from = number * maps.height;
  context.drawImage(
    ...[maps.strip, 0, from, maps.width, maps.height],
    ...[0, 0, scale * maps.width, scale * maps.height],
  );
  if (mark === null) return;
  context.lineWidth = 2;
  context.strokeStyle = STRONGEST;
  const [row, column] = mark;
  context.strokeRect(scale * column - 1, scale * row - 1, scale + 2, scale + 2);
}

/**
 * Draws a tile with a frame around a patch of it; the rest is darkened.
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} tile 28 rows of 28 numbers, 0 to 255
 * @param {number[] | null} patch left, top, width and height in pixels of the tile
 * @param {number} scale CSS pixels of one pixel of the tile
 */
export function drawPatch(canvas, tile, patch, scale) {
  const side = tile.length;
  const context = resize(canvas, scale * side, scale * side);
  const pixels = paint(Uint8Array.from(tile.flat()), side, side, 0);
  context.drawImage(pixels, 0, 0, scale * side, scale * side);
  if (patch === null) return;
  const [left, top, width, height] = patch.map((value) => scale * value);
  context.fillStyle = "rgb(0 0 0 / 0.55)";
  context.beginPath();
  context.rect(0, 0, scale * side, scale * side);
  context.rect(left, top, width, height);
  context.fill("evenodd");
  context.lineWidth = 2;
  context.strokeStyle = STRONGEST;
  context.strokeRect(left + 1, top + 1, width - 2, height - 2);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Maps} maps
 * @param {number} number
 * @param {number} x
 * @param {number} y
 * @param {number} side
 */
function drawMap(context, { strip, height, width }, number, x, y, side) {
  context.drawImage(strip, 0, number * height, width, height, x, y, side, side);
}

/**
 * Sets the size of a canvas in CSS pixels, with the resolution of the screen.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function resize(canvas, width, height) {
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  context.imageSmoothingEnabled = false;
  return context;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} width
 * @param {number} height
 * @param {number} zero the byte that stands for 0
 * @param {number} [gamma] exponent of the brightness
 */
function paint(bytes, width, height, zero, gamma = 1) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = Uint32Array.from({ length: 256 }, (_, byte) => chooseColour(byte, zero, gamma));
  bytes.forEach((byte, i) => {
    pixels[i] = colours[byte];
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Returns a colour as a pixel of four bytes.
 * @param {number} byte
 * @param {number} zero
 * @param {number} gamma
 */
function chooseColour(byte, zero, gamma) {
  const part = byte >= zero ? (byte - zero) / (255 - zero || 1) : (zero - byte) / zero;
  const share = part ** gamma;
  const [red, green, blue] = byte >= zero ? [255, 255, 255] : NEGATIVE;
  const channels = [red * share, green * share, blue * share, 255];
  return new Uint32Array(Uint8ClampedArray.from(channels).buffer)[0];
}

/** @param {string} text base64 */
function decodeBytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
