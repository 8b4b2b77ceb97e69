/** The drawing view, which is read during drawing. */

import { Boxes } from "./boxes.js";
import { DrawingSurface } from "./canvas.js";
import { toPng } from "./crops.js";
import { loadStrokes, saveStrokes } from "./memory.js";
import { Study } from "./study.js";

const PAUSE_MS = 120; // without a stroke, before the drawing is read
const LONGEST_PAUSE_MS = 500; // between readings during uninterrupted drawing

export class DrawingView extends EventTarget {
  study;
  #surface;
  #boxes;
  #root;
  #timer = 0;
  #waitingSince_ms = 0;

  /**
   * @param {HTMLElement} root
   * @param {import("./service.js").Service} service
   * @param {() => import("./service.js").Options} chooseOptions
   */
  constructor(root, service, chooseOptions) {
    super();
    this.#root = root;
    this.#surface = new DrawingSurface(root.querySelector("canvas"));
    this.#boxes = new Boxes(root.querySelector(".boxes"));
    this.study = new Study(service, chooseOptions);
    this.study.name = "drawing";
    this.study.addEventListener("change", () => {
      this.#boxes.show(this.study.reading, this.study.chosen);
    });
    this.#surface.addEventListener("change", () => this.#follow());
    this.#surface.addEventListener("tap", (event) => this.#choose(event));
    this.#listen();
    this.#showState();
    this.#surface.restore(loadStrokes());
  }

  /** Reads the drawing again after a change of options. */
  reread() {
    return this.study.reread();
  }

  #listen() {
    const pen = this.#root.querySelector("#pen");
    const setPen = () => {
      this.#surface.penWidth = pen.valueAsNumber;
    };
    pen.addEventListener("input", setPen);
    setPen(); // browsers restore the slider when the page is reloaded
    addEventListener("pagehide", () => saveStrokes(this.#surface.strokes));
    this.#root.querySelector("#undo").addEventListener("click", () => this.#surface.undo());
    this.#root.querySelector("#clear").addEventListener("click", () => this.#surface.clear());
    this.#root.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key === "z") {
        event.preventDefault();
        this.#surface.undo();
      }
    });
  }

  #follow() {
    this.#showState();
    clearTimeout(this.#timer);
    if (this.#surface.isEmpty) {
      this.#waitingSince_ms = 0;
      this.study.clear();
      return;
    }
    const now_ms = performance.now();
    this.#waitingSince_ms ||= now_ms;
    const patience_ms = LONGEST_PAUSE_MS - (now_ms - this.#waitingSince_ms);
    this.#timer = setTimeout(
      () => {
        this.#waitingSince_ms = 0;
        this.study.read(() => this.#takePicture());
      },
      Math.max(0, Math.min(PAUSE_MS, patience_ms)),
    );
  }

  async #takePicture() {
    const picture = this.#surface.toPicture();
    return { blob: await toPng(picture), open: async () => picture };
  }

  /** A tap on a digit selects it and leaves no dot. @param {Event} event */
  #choose(event) {
    const { x, y } = /** @type {CustomEvent} */ (event).detail;
    const number = this.#boxes.find(x, y);
    if (number < 0) return;
    event.preventDefault();
    this.study.choose(number);
  }

  #showState() {
    this.#root.querySelector("#undo").disabled = !this.#surface.canUndo;
    this.#root.querySelector("#clear").disabled = this.#surface.isEmpty;
    this.#root.querySelector(".invitation").hidden = !this.#surface.isEmpty;
  }
}
