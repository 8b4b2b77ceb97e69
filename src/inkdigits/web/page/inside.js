/** The view into the network for tiles, which computes while one draws. */

import { DrawingSurface } from "./canvas.js";
import { toPng } from "./crops.js";
import { LayerList } from "./layers.js";
import { ServiceError } from "./service.js";
import { drawTile } from "./tile.js";
import { formatShare } from "./wording.js";

const ANNOUNCEMENT_PAUSE_MS = 800; // screen readers hear what stays, not every step of a stroke

export class InsideView {
  #root;
  #service;
  #surface;
  #layers;
  /** @type {number[][] | null} The tile that another view has read; null while one draws. */
  #tile = null;
  /** @type {number[][] | null} The last tile that came from another view. */
  #taken = null;
  #busy = false;
  #stale = false;
  #timer = 0;

  /**
   * @param {HTMLElement} root
   * @param {import("./service.js").Service} service
   */
  constructor(root, service) {
    this.#root = root;
    this.#service = service;
    this.#surface = new DrawingSurface(root.querySelector(".pad canvas"));
    this.#layers = new LayerList(
      root.querySelector("#layers"),
      root.querySelector("#layer-item"),
      service,
    );
    this.#listen();
    this.#showState();
  }

  /**
   * Shows the drawing, or the digit that was chosen in another view since.
   * @param {number[][] | undefined} tile
   */
  enter(tile) {
    if (tile !== undefined && JSON.stringify(tile) !== JSON.stringify(this.#taken)) {
      this.#taken = tile;
      this.#surface.clear();
      this.#tile = tile;
    }
    this.#showState();
    this.#refresh();
  }

  #listen() {
    this.#surface.addEventListener("change", () => {
      this.#tile = null;
      this.#showState();
      this.#refresh();
    });
    this.#find("#inside-undo").addEventListener("click", () => this.#surface.undo());
    this.#find("#inside-clear").addEventListener("click", () => {
      this.#tile = null;
      this.#surface.clear();
      this.#showState();
      this.#refresh();
    });
    const alone = this.#find("#layer-alone");
    const showAlone = () => {
      this.#find("#layer-steps").hidden = !alone.checked;
      this.#layers.showAlone(alone.checked);
    };
    alone.addEventListener("change", showAlone);
    showAlone(); // browsers restore the box when the page is reloaded
    const go = (/** @type {number} */ step) => this.#layers.goTo(this.#layers.current + step);
    this.#find("#layer-previous").addEventListener("click", () => go(-1));
    this.#find("#layer-next").addEventListener("click", () => go(1));
    this.#layers.addEventListener("change", () => {
      const { current, count } = this.#layers;
      this.#find("#layer-previous").disabled = current === 0;
      this.#find("#layer-next").disabled = current >= count - 1;
      this.#find("#layer-place").textContent = count ? `${current + 1} of ${count}` : "";
    });
  }

  /** Sends one request at a time, and the latest drawing after it. */
  async #refresh() {
    if (this.#root.hidden) return;
    if (this.#busy) {
      this.#stale = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#stale = false;
        const subject = this.#tile ?? (await toPng(this.#surface.toPicture()));
        this.#show(await this.#service.lookInside(subject));
      } while (this.#stale);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#say(error.message);
    } finally {
      this.#busy = false;
    }
  }

  /** @param {import("./service.js").Inside} inside */
  #show(inside) {
    this.#say("");
    this.#find("#inside-model").textContent = `The network “${inside.model}” takes one digit.`;
    drawTile(this.#find("#inside-tile"), inside.tile);
    this.#showBars(inside);
    this.#layers.show(inside);
    this.#announce(inside);
  }

  /** @param {import("./service.js").Inside} inside */
  #showBars({ labels, probabilities }) {
    const body = this.#find("#inside-bars tbody");
    if (body.rows.length !== labels.length) {
      const template = /** @type {any} */ (document.getElementById("bar-row"));
      body.replaceChildren(...labels.map(() => template.content.cloneNode(true)));
    }
    const best = probabilities.indexOf(Math.max(...probabilities));
    labels.forEach((label, place) => {
      const row = body.rows[place];
      row.classList.toggle("best", place === best);
      row.querySelector("th").textContent = label;
      row.querySelector(".bar div").style.transform = `scaleX(${probabilities[place]})`;
      row.querySelector(".share").textContent = formatShare(probabilities[place]);
    });
  }

  /** @param {import("./service.js").Inside} inside */
  #announce({ labels, probabilities, tile }) {
    const best = probabilities.indexOf(Math.max(...probabilities));
    const name = labels[best] === "none" ? "no digit" : `a ${labels[best]}`;
    const isEmpty = tile.every((row) => row.every((ink) => ink === 0));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#find("#inside-announcement").textContent = isEmpty
        ? ""
        : `The network sees ${name}, ${formatShare(probabilities[best])} sure.`;
    }, ANNOUNCEMENT_PAUSE_MS);
  }

  #showState() {
    const isTaken = this.#tile !== null;
    this.#find("#inside-undo").disabled = !this.#surface.canUndo;
    this.#find("#inside-clear").disabled = this.#surface.isEmpty && !isTaken;
    this.#find(".invitation").hidden = !this.#surface.isEmpty;
    this.#find("#inside-source").hidden = !isTaken;
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#find("#inside-message").textContent = sentence;
  }

  /** @param {string} selector @returns {any} */
  #find(selector) {
    return this.#root.querySelector(selector);
  }
}
