/** Client of the service. All requests of the page to the API go through it. */

/**
 * @typedef {object} Digit
 * @property {number | null} digit null if it is too uncertain or was rejected
 * @property {string} character in the text: "?" if it is too uncertain, "" if it was rejected
 * @property {number} confidence of the most likely digit, 0 to 1
 * @property {number[]} probabilities of the digits 0 to 9, given that it is one
 * @property {Record<string, number>} class_probabilities of digits, other marks and "none"
 * @property {[number, number, number, number]} box left, top, width, height in pixels
 * @property {number} line
 * @property {string | null} reason why the digit was not read
 * @property {number[][]} [tile] 28 rows of 28 numbers, 0 to 255
 * @property {number[][]} [heat] 28 rows of 28 numbers, -1 to 1
 *
 * @typedef {object} Mark
 * @property {string} kind point, comma, dash, slash, plus or other
 * @property {number} confidence 0 to 1
 * @property {[number, number, number, number]} box left, top, width, height in pixels
 * @property {number} line
 *
 * @typedef {object} GalleryItem
 * @property {number} label the correct digit
 * @property {string} png the tile as a base64 PNG file
 * @property {number | null} [read] the digit that the model read; of mistakes only
 * @property {number | null} [confidence] 0 to 1
 *
 * @typedef {object} Gallery
 * @property {string} serving name of the model that reads here
 * @property {boolean} is_own whether the mistakes are those of this model
 * @property {boolean} is_pending whether those of this model are being computed
 * @property {string} model name of the model whose mistakes these are
 * @property {number} n_images
 * @property {number} n_mistakes of all images
 * @property {GalleryItem[]} samples
 * @property {GalleryItem[]} mistakes the most confident ones
 *
 * @typedef {object} Options how to read
 * @property {boolean} oneDigit
 * @property {boolean} separators whether to read points, commas and other separators
 * @property {number | null} threshold minimum confidence of a digit; null for the model's own
 * @property {boolean} heat whether to compute heat maps
 *
 * @typedef {object} Reading
 * @property {string} text lines are separated by a newline
 * @property {number} confidence 0 to 1
 * @property {Digit[]} digits
 * @property {Mark[]} marks that are not digits
 * @property {string[]} notes
 * @property {string | null} reason why no digit was read
 * @property {number} width of the upright picture in pixels
 * @property {number} height
 * @property {number} [page] number of the page of a document, from 1
 *
 * @typedef {object} Layer
 * @property {string} name kind and number, such as "Convolution 2"
 * @property {string} kind convolution, pooling, normalisation, activation, sum or dense
 * @property {string | null} activation
 * @property {[number, number] | null} window height and width of a convolution or pooling
 * @property {[number, number] | null} strides
 * @property {string | null} pooled what a pooling keeps: largest or mean
 * @property {number | null} before index of the layer before; null for the tile
 * @property {[number, number, number]} shape number, height and width of the maps
 * @property {number} low value of the byte 0
 * @property {number} high value of the byte 255
 * @property {string} maps one byte for each value, in base64
 * @property {number | null} strongest map that differs most from its answer to an empty tile
 * @property {[number, number][]} peaks row and column of that difference in each map
 * @property {number[]} answers the value there
 * @property {number[]} changes the difference there
 * @property {[number, number, number, number][] | null} patches left, top, width and height of the
 *   pixels that the value depends on; null for the whole tile
 *
 * @typedef {object} Inside
 * @property {string} model
 * @property {number[][]} tile 28 rows of 28 numbers, 0 to 255
 * @property {string[]} labels of each probability
 * @property {number[]} probabilities
 * @property {Layer[]} layers
 *
 * @typedef {object} Filter
 * @property {[number, number, number]} shape number, height and width of the kernels
 * @property {number} high largest absolute weight
 * @property {string} kernels one byte for each weight, in base64; 128 is 0
 *
 * @typedef {object} ReviewDigit
 * @property {string} character in the text: "?" if it is uncertain, "" if it was rejected
 * @property {number} confidence 0 to 1
 * @property {[number, number, number, number]} box left, top, width, height in pixels
 * @property {string | null} reason why the digit was not read
 *
 * @typedef {object} ReviewPicture
 * @property {string} id
 * @property {string} address
 * @property {number | null} page of a document, from 1
 * @property {string} text with ? for each uncertain digit
 * @property {string | null} reason why no digit was read
 * @property {number} width in pixels
 * @property {number} height
 * @property {ReviewDigit[]} digits
 *
 * @typedef {Reading | {page?: number, error: string}} Row a picture, or a page of a document
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const MAX_RETRIES = 6; // of a request that a busy service rejects
const MAX_BREAKS = 3; // of the connection while the service is up

/** The service rejected a request or did not respond. The message is for the user. */
export class ServiceError extends Error {
  /** @param {number} HTTP status; 0 if there was no response @param {string} message */
  constructor(status, message) {
    super(message);
    this.name = "ServiceError";
    this.status = status;
  }
}

/**
 * Events: `gone` when the service stops responding, `back` when it responds again, `locked` when it
 * requires an API key.
 */
export class Service extends EventTarget {
  /** @type {Promise<void> | null} */
  #return = null;
  /** @type {ReturnType<typeof defer> | null} */
  #unlocking = null;
  #wake = () => {};
  #key = "";

  /**
   * Reads one picture. If the service is not responding, waits until it is back.
   * @param {Blob} picture
   * @param {Options} options
   * @param {AbortSignal} [signal]
   * @returns {Promise<Reading>}
   */
  async readPicture(picture, options, signal) {
    const rows = await this.readPages(picture, options, signal);
    return rows[0];
  }

  /**
   * Reads a picture, or the pages of a PDF or TIFF file, as `readPicture` does.
   * @param {Blob} picture
   * @param {Options} options
   * @param {AbortSignal} [signal]
   * @param {number | null} [page] the only page to read, from 1; null for all pages
   * @returns {Promise<Row[]>} one row for a picture, one for each page of a document
   */
  async readPages(picture, { oneDigit, separators, threshold, heat }, signal, page = null) {
    const query = new URLSearchParams({
      digits: oneDigit ? "one" : "all",
      separators: String(separators),
      tiles: "true",
      heat: String(heat),
      ...(threshold !== null && { threshold: String(threshold) }),
      ...(page !== null && { page: String(page) }),
    });
    const type = picture.type.startsWith("image/") ? picture.type : "application/octet-stream";
    return this.#send(`v1/read?${query}`, {
      method: "POST",
      body: picture,
      headers: { "Content-Type": type },
      signal,
    });
  }

  /** Returns version, models and limits of the service. */
  fetchStatus() {
    return this.#send("v1/status");
  }

  /**
   * Returns MNIST test digits and mistakes of a model.
   * @returns {Promise<Gallery>}
   */
  fetchGallery() {
    return this.#send("v1/gallery");
  }

  /**
   * Returns what each layer of the network for tiles computes.
   * @param {Blob | number[][]} subject a picture of one digit, or a tile
   * @returns {Promise<Inside>}
   */
  lookInside(subject) {
    const isPicture = subject instanceof Blob;
    return this.#send("v1/inside", {
      method: "POST",
      body: isPicture ? subject : JSON.stringify({ tile: subject }),
      headers: { "Content-Type": isPicture ? subject.type : "application/json" },
    });
  }

  /**
   * Returns the filter of a map.
   * @param {number} layer
   * @param {number} number
   * @returns {Promise<Filter>}
   */
  fetchFilter(layer, number) {
    return this.#send(`v1/inside/${layer}/${number}`);
  }

  /**
   * Saves a correction. Sent only once, so that it is never saved twice.
   * @param {{label: string, read: string, tile: number[][], picture: string}} correction
   * @returns {Promise<{id: string}>}
   */
  saveCorrection(correction) {
    return this.#send("v1/corrections", {
      method: "POST",
      body: JSON.stringify(correction),
      headers: { "Content-Type": "application/json" },
    });
  }

  fetchCorrections() {
    return this.#send("v1/corrections");
  }

  /** @param {string} id */
  deleteCorrection(id) {
    return this.#send(`v1/corrections/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  deleteCorrections() {
    return this.#send("v1/corrections", { method: "DELETE" });
  }

  /**
   * Returns the next pictures to review.
   * @returns {Promise<{folder: string, open: string[], n_open: number, n_pictures: number}>}
   */
  fetchReview() {
    return this.#send("v1/review");
  }

  /** @param {string} id @returns {Promise<ReviewPicture>} */
  fetchReviewPicture(id) {
    return this.#send(`v1/review/${encodeURIComponent(id)}`);
  }

  /** @param {string} id @returns {Promise<Blob>} */
  fetchReviewImage(id) {
    return this.#send(`v1/review/${encodeURIComponent(id)}/picture`);
  }

  /** @param {string} id @param {string} text lines of digits; "" if there are none */
  saveReview(id, text) {
    return this.#send(`v1/review/${encodeURIComponent(id)}`, {
      method: "PUT",
      body: JSON.stringify({ text }),
      headers: { "Content-Type": "application/json" },
    });
  }

  /** @param {string} id */
  undoReview(id) {
    return this.#send(`v1/review/${encodeURIComponent(id)}`, { method: "DELETE" });
  }

  /** Checks for the service now instead of after the current wait. */
  retryNow() {
    this.#wake();
  }

  /** Retries the requests that wait for an API key with this one. @param {string} key */
  useKey(key) {
    this.#key = key;
    this.#unlocking?.resolve();
    this.#unlocking = null;
  }

  /** Fails the requests that wait for an API key; the next request asks for it again. */
  cancelKey() {
    this.#unlocking?.reject(new ServiceError(401, "This server requires an API key."));
    this.#unlocking = null;
  }

  /** @param {string} path @param {RequestInit} [request] */
  async #send(path, request = {}) {
    const { signal } = request;
    const patient = request.method !== "DELETE" && path !== "v1/corrections";
    let retries = 0;
    let breaks = 0;
    for (;;) {
      let answer, body;
      try {
        answer = await fetch(new URL(path, document.baseURI), this.#sign(request));
        const isImage = answer.headers.get("Content-Type")?.startsWith("image/");
        body = await (isImage ? answer.blob() : answer.text());
      } catch (error) {
        if (signal?.aborted) throw error;
        if (!patient || ++breaks > MAX_BREAKS) {
          this.#awaitService();
          throw new ServiceError(0, "The server is not responding. Please try again.");
        }
        await interruptible(this.#awaitService(), signal);
        continue;
      }
      if (answer.status === 401) {
        await interruptible(this.#awaitKey(), signal);
      } else if (answer.status === 503 && patient && ++retries <= MAX_RETRIES) {
        const wait_s = Number(answer.headers.get("Retry-After")) || 1;
        await interruptible(sleep(1000 * wait_s), signal);
      } else if (!answer.ok) {
        throw new ServiceError(answer.status, findMessage(body, answer.status));
      } else {
        if (answer.status === 204) return null;
        return body instanceof Blob ? body : JSON.parse(body);
      }
    }
  }

  /** @param {RequestInit} request @returns {RequestInit} */
  #sign(request) {
    const headers = { ...request.headers, ...(this.#key && { "X-API-Key": this.#key }) };
    return { ...request, headers, cache: "no-store" };
  }

  /** Returns one search for the service, which all waiting requests share. */
  #awaitService() {
    this.#return ??= this.#search().finally(() => {
      this.#return = null;
    });
    return this.#return;
  }

  async #search() {
    let gone = false;
    for (let wait_ms = FIRST_WAIT_MS; ; wait_ms = Math.min(2 * wait_ms, LONGEST_WAIT_MS)) {
      try {
        const answer = await fetch(new URL("v1/status", document.baseURI), this.#sign({}));
        if (answer.status < 500) break;
      } catch {
        // Not responding yet; the kind of failure does not matter.
      }
      gone = true;
      this.dispatchEvent(new CustomEvent("gone"));
      await Promise.race([
        sleep(wait_ms),
        new Promise((resolve) => {
          this.#wake = () => resolve(undefined);
        }),
      ]);
    }
    if (gone) this.dispatchEvent(new CustomEvent("back"));
  }

  #awaitKey() {
    if (this.#unlocking === null) {
      this.#unlocking = defer();
      this.dispatchEvent(new CustomEvent("locked", { detail: { again: this.#key !== "" } }));
    }
    return this.#unlocking.promise;
  }
}

/** Runs one task at a time: a newer task cancels the one before. */
export class Latest {
  #number = 0;
  #controller = new AbortController();

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} work
   * @returns {Promise<{value: T} | null>} null if a newer task, or `cancel`, cancelled it
   */
  async run(work) {
    const number = this.cancel();
    const { signal } = this.#controller;
    try {
      const value = await work(signal);
      return number === this.#number ? { value } : null;
    } catch (error) {
      if (number !== this.#number) return null;
      throw error;
    }
  }

  cancel() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return ++this.#number;
  }
}

function defer() {
  /** @type {(value?: any) => void} */
  let resolve = () => {};
  /** @type {(reason: Error) => void} */
  let reject = () => {};
  const promise = new Promise((keep, drop) => {
    resolve = keep;
    reject = drop;
  });
  return { promise, resolve, reject };
}

/** @param {number} wait_ms */
function sleep(wait_ms) {
  return new Promise((resolve) => setTimeout(resolve, wait_ms));
}

/** @param {Promise<any>} promise @param {AbortSignal | null} [signal] */
function interruptible(promise, signal) {
  if (!signal) return promise;
  const interruption = new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([promise, interruption]);
}

/** @param {string} body @param {number} status */
function findMessage(body, status) {
  try {
    return JSON.parse(body).error.message;
  } catch {
    return `The server answered with status ${status}. Please try again.`;
  }
}
