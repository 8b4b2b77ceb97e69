/** One picture with its reading and its selected digit. */

import { cropToBase64, encodeBase64, toPng } from "./crops.js";
import { Latest, ServiceError } from "./service.js";
import { makeTile } from "./tile.js";

/**
 * @typedef {object} Subject
 * @property {Blob} blob file to send
 * @property {() => Promise<HTMLCanvasElement | ImageBitmap>} open its pixels, upright
 */

/** Event: `change` when any of its fields changes. */
export class Study extends EventTarget {
  /** @type {import("./service.js").Reading | null} */
  reading = null;
  /** @type {string | null} Why the picture could not be read. */
  error = null;
  chosen = 0;
  busy = false;
  /** @type {string | null} The correct label, if it is known; then there is nothing to correct. */
  truth = null;
  /** Name of the picture, for files that are saved. */
  name = "picture";
  /** Why a requested heat map is missing; "" if it is not. */
  remark = "";
  #service;
  #chooseOptions;
  #latest = new Latest();
  /** @type {(() => Promise<Subject>) | null} */
  #prepare = null;
  /** @type {Subject | null} */
  #subject = null;

  /**
   * @param {import("./service.js").Service} service
   * @param {() => import("./service.js").Options} chooseOptions called before each reading
   */
  constructor(service, chooseOptions) {
    super();
    this.#service = service;
    this.#chooseOptions = chooseOptions;
  }

  /** The selected digit; undefined if there is none. */
  get digit() {
    return this.reading?.digits[this.chosen];
  }

  /**
   * Reads the picture that `prepare` returns. A newer call cancels this one.
   * @param {() => Promise<Subject>} prepare
   */
  async read(prepare) {
    this.#prepare = prepare;
    this.busy = true;
    this.#announce();
    const options = this.#chooseOptions();
    try {
      const outcome = await this.#latest.run(async (signal) => {
        const subject = await prepare();
        const quick = { ...options, heat: false };
        const reading = await this.#service.readPicture(subject.blob, quick, signal);
        return { subject, reading };
      });
      if (outcome === null) return;
      this.reading = outcome.value.reading;
      this.#subject = outcome.value.subject;
      this.error = null;
      this.remark = "";
      this.chosen = Math.max(0, Math.min(this.chosen, this.reading.digits.length - 1));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.reading = null;
      this.error = error.message;
    }
    this.busy = false;
    this.#announce();
    if (options.heat && this.digit !== undefined) await this.#addHeat(options);
  }

  /** Adds heat maps in a second request, which takes hundreds of times as long as the reading. */
  async #addHeat(/** @type {import("./service.js").Options} */ options) {
    try {
      const outcome = await this.#latest.run((signal) =>
        this.#service.readPicture(this.#subject.blob, options, signal),
      );
      if (outcome === null) return;
      this.reading = outcome.value;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.remark = `The heat map is not available: ${error.message}`;
    }
    this.#announce();
  }

  /** Reads the same picture again after a change of options. */
  async reread() {
    if (this.#prepare !== null) await this.read(this.#prepare);
  }

  /** Resets the study to no picture. */
  clear() {
    this.#latest.cancel();
    this.#prepare = null;
    this.#subject = null;
    this.reading = null;
    this.error = null;
    this.remark = "";
    this.busy = false;
    this.chosen = 0;
    this.#announce();
  }

  /** @param {number} number index of a digit; ignored if there is no such digit */
  choose(number) {
    if (this.reading?.digits[number] === undefined || number === this.chosen) return;
    this.chosen = number;
    this.#announce();
  }

  /** Returns the pixels of the picture; rejects if this browser cannot decode it, such as a TIFF. */
  openPicture() {
    return this.#subject.open();
  }

  /** Returns the selected digit, cropped from its picture, as a base64 PNG file. */
  async cropChosen() {
    const boxes = this.reading.digits.map(({ box }) => box);
    const others = boxes.filter((_, number) => number !== this.chosen);
    let picture;
    try {
      picture = await this.#subject.open();
    } catch {
      // A format that this browser cannot decode, such as TIFF.
      return encodeBase64(await toPng(makeTile(this.digit.tile)));
    }
    return cropToBase64(picture, boxes[this.chosen], others);
  }

  #announce() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
