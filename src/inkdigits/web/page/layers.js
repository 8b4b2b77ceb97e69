/** The layers of the network: an overview of the maps of each, and the details of one map. */

import { drawOneMap, drawPatch, makeKernels, makeMaps, MapGrid } from "./maps.js";
import { ServiceError } from "./service.js";

const DETAIL_SIDE = 140; // CSS pixels, about
const KERNEL_SIDE = 96; // of a single kernel
const KERNELS_SIDE = 18; // of each of several
const PIXEL_SIDE = 5; // of a pixel of the tile
const VALUE = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });

/** @typedef {import("./service.js").Layer} Layer */

/** A list of layers. Event: `change` when another layer becomes the current one. */
export class LayerList extends EventTarget {
  /** Index of the layer that is shown if only one is. */
  current = 0;
  #list;
  #template;
  #service;
  #alone = false;
  #shown = ""; // the model whose layers are in the list
  /** @type {import("./service.js").Inside | null} */
  #inside = null;
  /** @type {{item: HTMLElement, grid: MapGrid, maps: import("./maps.js").Maps | null}[]} */
  #rows = [];
  /** @type {{layer: number, number: number} | null} */
  #chosen = null;
  /** @type {Map<string, Promise<import("./service.js").Filter>>} */
  #filters = new Map();

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template of a layer
   * @param {import("./service.js").Service} service
   */
  constructor(list, template, service) {
    super();
    this.#list = list;
    this.#template = template;
    this.#service = service;
    new ResizeObserver(() => this.#drawGrids()).observe(list);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#drawGrids());
  }

  get count() {
    return this.#rows.length;
  }

  /** @param {import("./service.js").Inside} inside */
  show(inside) {
    const isOther = describeModel(inside) !== this.#shown;
    this.#inside = { ...inside, layers: inside.layers.map((one) => nameScores(one, inside)) };
    if (isOther) this.#build(inside);
    this.#inside.layers.forEach((layer, index) => {
      this.#rows[index].maps = makeMaps(layer);
      const summary = this.#rows[index].item.querySelector(".summary");
      summary.textContent = describeLayer(layer, this.#inside.layers);
    });
    this.#drawGrids();
    this.#showDetail();
  }

  /** Shows one layer or all. @param {boolean} alone */
  showAlone(alone) {
    this.#alone = alone;
    this.goTo(this.current);
  }

  /** Makes a layer the current one. @param {number} index */
  goTo(index) {
    this.current = Math.max(0, Math.min(index, this.count - 1));
    this.#rows.forEach(({ item }, place) => {
      item.hidden = this.#alone && place !== this.current;
    });
    this.#drawGrids();
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** @param {import("./service.js").Inside} inside */
  #build(inside) {
    this.#shown = describeModel(inside);
    this.#chosen = null;
    this.#filters.clear();
    this.#rows = inside.layers.map((layer, index) => {
      const item = /** @type {any} */ (this.#template.content.cloneNode(true)).firstElementChild;
      const canvas = item.querySelector(".maps canvas");
      item.querySelector("h3").textContent = layer.name;
      canvas.setAttribute("aria-label", `${layer.name}, ${nameUnit(layer)}s`);
      canvas.setAttribute("aria-valuemax", String(layer.shape[0]));
      const grid = new MapGrid(canvas);
      canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
        const number = grid.find(event.clientX, event.clientY);
        if (number >= 0) this.#choose(index, number, true);
      });
      canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
        this.#step(event, index, grid.columns);
      });
      return { item, grid, maps: null };
    });
    this.#list.replaceChildren(...this.#rows.map(({ item }) => item));
    this.goTo(this.current);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} layer
   * @param {number} columns
   */
  #step(event, layer, columns) {
    const here = this.#getNumber(layer);
    const last = this.#inside.layers[layer].shape[0] - 1;
    if (event.key === "Escape") {
      this.#chosen = null;
      this.#drawGrids();
      this.#showDetail();
      return;
    }
    const targets = {
      ArrowLeft: here - 1,
      ArrowRight: here + 1,
      ArrowUp: here - columns,
      ArrowDown: here + columns,
      Home: 0,
      End: last,
      Enter: here,
      " ": here,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    if (target >= 0 && target <= last) this.#choose(layer, target, false);
  }

  /** The map of a layer that the keyboard is at. @param {number} layer */
  #getNumber(layer) {
    if (this.#chosen?.layer === layer) return this.#chosen.number;
    return this.#inside.layers[layer].strongest ?? 0;
  }

  /**
   * @param {number} layer
   * @param {number} number
   * @param {boolean} toggles whether choosing the same map again closes its details
   */
  #choose(layer, number, toggles) {
    const same = this.#chosen?.layer === layer && this.#chosen.number === number;
    this.#chosen = same && toggles ? null : { layer, number };
    this.#drawGrids();
    this.#showDetail();
  }

  #drawGrids() {
    if (this.#inside === null) return;
    this.#rows.forEach(({ item, grid, maps }, index) => {
      const layer = this.#inside.layers[index];
      const chosen = this.#chosen?.layer === index ? this.#chosen.number : null;
      if (maps !== null) grid.draw(maps, layer.strongest, chosen);
      const canvas = item.querySelector(".maps canvas");
      const number = this.#getNumber(index);
      canvas.setAttribute("aria-valuenow", String(number + 1));
      canvas.setAttribute("aria-valuetext", describeMap(layer, number));
    });
  }

  #showDetail() {
    this.#rows.forEach(({ item }, index) => {
      item.querySelector(".detail").hidden = this.#chosen?.layer !== index;
    });
    if (this.#chosen === null) return;
    const { layer: index, number } = this.#chosen;
    const layer = this.#inside.layers[index];
    const { item, maps } = this.#rows[index];
    const detail = item.querySelector(".detail");
    detail.querySelector(".sentence").textContent = `${describeMap(layer, number)}.`;
    this.#showOutput(detail, layer, maps, number);
    const patch = layer.patches?.[number] ?? null;
    drawPatch(detail.querySelector(".patch canvas"), this.#inside.tile, patch, PIXEL_SIDE);
    detail.querySelector(".patch figcaption").textContent = describePatch(patch);
    this.#showFilter(detail, index, number);
  }

  /**
   * @param {HTMLElement} detail
   * @param {Layer} layer
   * @param {import("./maps.js").Maps} maps
   * @param {number} number
   */
  #showOutput(detail, layer, maps, number) {
    const figure = /** @type {HTMLElement} */ (detail.querySelector(".output"));
    const before = /** @type {HTMLElement} */ (detail.querySelector(".before"));
    figure.hidden = maps.height * maps.width === 1;
    before.hidden = !isShrinking(layer);
    const source = layer.before === null ? null : this.#rows[layer.before].maps;
    const larger = before.hidden || source === null ? maps : source;
    // A pooled map and the one before it have the same scale, so that one sees it shrink.
    const scale = Math.max(1, Math.floor(DETAIL_SIDE / Math.max(larger.height, larger.width)));
    drawOneMap(figure.querySelector("canvas"), maps, number, scale, layer.peaks[number]);
    const size = formatSize([maps.height, maps.width]);
    figure.querySelector("figcaption").textContent = `The map, ${size}`;
    if (before.hidden || source === null) return;
    drawOneMap(before.querySelector("canvas"), source, number, scale, null);
    const caption = `Before pooling, ${formatSize([source.height, source.width])}`;
    before.querySelector("figcaption").textContent = caption;
  }

  /**
   * @param {HTMLElement} detail
   * @param {number} index
   * @param {number} number
   */
  async #showFilter(detail, index, number) {
    const layer = this.#inside.layers[index];
    const figure = /** @type {HTMLElement} */ (detail.querySelector(".filter"));
    figure.hidden = !hasFilter(layer);
    if (figure.hidden) return;
    const key = `${index}/${number}`;
    const request = this.#filters.get(key) ?? this.#service.fetchFilter(index, number);
    this.#filters.set(key, request);
    try {
      const filter = await request;
      if (this.#chosen?.layer !== index || this.#chosen.number !== number) return;
      const kernels = makeKernels(filter);
      const canvas = figure.querySelector("canvas");
      canvas.hidden = false;
      if (kernels.count === 1) {
        drawOneMap(canvas, kernels, 0, Math.max(1, Math.floor(KERNEL_SIDE / kernels.width)), null);
      } else {
        new MapGrid(canvas, KERNELS_SIDE).draw(kernels);
      }
      figure.querySelector("figcaption").textContent = describeFilter(filter);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#filters.delete(key);
      figure.querySelector("canvas").hidden = true;
      figure.querySelector("figcaption").textContent = error.message;
    }
  }
}

/** Returns what tells a model from another one. @param {import("./service.js").Inside} inside */
function describeModel({ model, layers }) {
  return JSON.stringify([model, layers.map(({ name, shape }) => [name, shape])]);
}

/**
 * Adds the labels to the last layer, where each value is the score of one; the highest one counts.
 * @param {Layer} layer
 * @param {import("./service.js").Inside} inside
 * @returns {Layer & {labels?: string[]}}
 */
function nameScores(layer, { labels, layers, probabilities }) {
  const isLast = layer === layers[layers.length - 1] && layer.kind === "dense";
  if (!isLast || layer.shape[0] !== labels.length || layer.strongest === null) return layer;
  return { ...layer, labels, strongest: probabilities.indexOf(Math.max(...probabilities)) };
}

/** @param {Layer} layer */
function hasFilter({ kind, before }) {
  return kind === "convolution" || (kind === "dense" && before === null);
}

/** @param {Layer} layer */
function isShrinking({ kind, before }) {
  return kind === "pooling" && before !== null;
}

/** @param {Layer} layer */
function nameUnit({ shape }) {
  return shape[1] * shape[2] === 1 ? "value" : "map";
}

/**
 * @param {Layer} layer
 * @param {Layer[]} layers
 */
function describeLayer(layer, layers) {
  const [count, height, width] = layer.shape;
  const before = layer.before === null ? null : layers[layer.before];
  const size = nameUnit(layer) === "map" ? ` of ${formatSize([height, width])}` : "";
  const parts = [`${count} ${nameUnit(layer)}s${size}`];
  if (layer.kind === "pooling") {
    const shrinks = before ? `, made from ${formatSize(before.shape.slice(1))}` : "";
    const window = layer.window ? `each ${formatSize(layer.window)} values` : "each map";
    parts[0] += `${shrinks}: keeps the ${layer.pooled} of ${window}`;
  } else if (layer.kind === "convolution" && layer.window) {
    const stride = Math.max(...(layer.strides ?? [1]));
    parts[0] += `, one filter of ${formatSize(layer.window)} each`;
    if (stride > 1) parts[0] += `, in steps of ${stride}`;
  } else if (layer.kind === "dense") {
    const inputs = before ? before.shape.reduce((product, side) => product * side) : 784;
    parts[0] += `, each from all ${inputs.toLocaleString("en-GB")} values before`;
  }
  if (layer.activation) parts.push(`activation ${layer.activation}`);
  const { strongest } = layer;
  const most = strongest === null ? "" : ` ${nameMap(layer, strongest)} answers most.`;
  return `${parts.join("; ")}.${most}`;
}

/**
 * @param {Layer & {labels?: string[]}} layer
 * @param {number} number
 */
function describeMap(layer, number) {
  const unit = nameUnit(layer);
  const [row, column] = layer.peaks[number];
  const name = layer.labels
    ? nameMap(layer, number)
    : `${nameMap(layer, number)} of ${layer.shape[0]}`;
  if (layer.changes[number] === 0) return `${name}: no answer to this ink`;
  const place = unit === "map" ? ` in row ${row + 1}, column ${column + 1}` : "";
  const most = number === layer.strongest ? ", the strongest answer of this layer" : "";
  return `${name}: answers with ${VALUE.format(layer.answers[number])}${place}${most}`;
}

/** @param {Layer & {labels?: string[]}} layer @param {number} number */
function nameMap(layer, number) {
  if (layer.labels) return `The score of ${layer.labels[number]}`;
  return `${capitalise(nameUnit(layer))} ${number + 1}`;
}

/** @param {number[] | null} patch */
function describePatch(patch) {
  if (patch === null) return "Depends on the whole digit";
  return `Answers to these ${formatSize([patch[3], patch[2]])} pixels`;
}

/** @param {import("./service.js").Filter} filter */
function describeFilter({ shape: [count, height, width] }) {
  const size = formatSize([height, width]);
  const whole = count === 1 ? `, ${size}` : `: ${size} for each of ${count} maps`;
  return `Its filter${whole}; light adds, blue subtracts`;
}

/** Formats height and width, without a break of the line. @param {number[]} sides */
function formatSize(sides) {
  return sides.join("\u00a0×\u00a0");
}

/** @param {string} text */
function capitalise(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}
