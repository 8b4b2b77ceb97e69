/**
 * The pictures view: one of the chosen pictures is shown, all of them are in a table. Each page of a
 * document is a picture of its own.
 */

import { Boxes } from "./boxes.js";
import { Camera } from "./camera.js";
import { fitPixels } from "./crops.js";
import { PictureMemory } from "./memory.js";
import { ServiceError } from "./service.js";
import { Study } from "./study.js";
import { formatCsv, saveFile } from "./table.js";
import { explainReason, formatShare } from "./wording.js";

const AT_ONCE = 2; // concurrent requests to the service
const SHOWN_SIDE = 320; // pixels; smaller pictures are enlarged by a whole factor up to it
const DOCUMENT = /^(%PDF|II[*+]\0|MM\0[*+])/; // the first bytes of PDF and TIFF files

/**
 * @typedef {object} Entry
 * @property {string} name of the file
 * @property {number | null} page number of the page, from 1; null for a picture without pages
 * @property {{row: import("./service.js").Row, options: string} | null} ready already read, when the
 *   document was, with these options
 * @property {Blob} blob
 * @property {string} url of the blob, for the browser to display
 * @property {Study} study
 * @property {HTMLTableRowElement} row
 */

/** Event: `study` when another picture is selected. */
export class PicturesView extends EventTarget {
  /** @type {number} Largest file in bytes; larger ones are not sent. */
  maxBytes = Infinity;
  /** @type {number} Largest picture in pixels; larger ones are scaled down before sending. */
  maxPixels = Infinity;
  #root;
  #table;
  #service;
  #chooseOptions;
  #boxes;
  #camera;
  #nothing;
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Entry | null} */
  #current = null;
  /** @type {Entry[]} */
  #queue = [];
  #underWay = 0;
  #photographs = 0;
  #memory = new PictureMemory();

  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} table of all pictures
   * @param {import("./service.js").Service} service
   * @param {() => import("./service.js").Options} chooseOptions
   */
  constructor(root, table, service, chooseOptions) {
    super();
    this.#root = root;
    this.#table = table;
    this.#service = service;
    this.#chooseOptions = chooseOptions;
    this.#boxes = new Boxes(root.querySelector(".boxes"));
    this.#camera = new Camera(root.querySelector("#camera"));
    this.#nothing = new Study(service, chooseOptions);
    this.#listen();
  }

  get isEmpty() {
    return this.#entries.length === 0;
  }

  get study() {
    return this.#current?.study ?? this.#nothing;
  }

  /** Adds the pictures that were there before the page was reloaded. */
  async restore() {
    const files = await this.#memory.load();
    if (this.isEmpty) this.#add(files);
  }

  /** @param {Iterable<File>} files */
  add(files) {
    this.#memory.save([...files]);
    this.#add(files);
  }

  /** @param {Iterable<File>} files */
  #add(files) {
    const entries = [...files].map((file) => this.#makeEntry(file.name, file));
    if (entries.length === 0) return;
    this.#entries.push(...entries);
    this.#table.querySelector("tbody").append(...entries.map(({ row }) => row));
    this.#say("");
    this.#look(entries[0]);
    this.#enqueue(entries);
  }

  /** Reads the pictures again after a change of options. @param {boolean} onlyCurrent */
  reread(onlyCurrent) {
    const entries = onlyCurrent ? this.#entries.filter((e) => e === this.#current) : this.#entries;
    this.#enqueue(entries);
  }

  /** Switches the camera off when the view is left. */
  leave() {
    this.#camera.close();
  }

  #listen() {
    for (const input of this.#root.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        this.add(input.files);
        input.value = ""; // so that the same file can be chosen again
      });
    }
    this.#root.querySelector("#camera-open").addEventListener("click", () => {
      this.#say("");
      this.#camera.open();
    });
    this.#camera.addEventListener("failure", (event) => this.#say(event.detail));
    this.#camera.addEventListener("photograph", (event) => {
      this.#photographs += 1;
      this.add([new File([event.detail], `photograph-${this.#photographs}.jpg`, event.detail)]);
    });
    this.#table.querySelector("#csv").addEventListener("click", () => this.#download());
    this.#table.querySelector("#forget").addEventListener("click", () => this.#forget());
    const image = this.#root.querySelector("#picture img");
    image.addEventListener("error", () => this.#showUnseen());
    image.addEventListener("load", () => this.#fit(image.naturalWidth, image.naturalHeight));
    this.#root.querySelector("#picture").addEventListener("click", (event) => {
      const { reading } = this.study;
      if (reading === null) return;
      const frame = this.#root.querySelector("#picture .boxes").getBoundingClientRect();
      const x = ((event.clientX - frame.left) / frame.width) * reading.width;
      const y = ((event.clientY - frame.top) / frame.height) * reading.height;
      this.study.choose(this.#boxes.find(x, y));
    });
  }

  /** @param {string} name @param {Blob} blob @param {number | null} [page] @returns {Entry} */
  #makeEntry(name, blob, page = null) {
    const template = this.#table.querySelector("template");
    const row = template.content.cloneNode(true).querySelector("tr");
    const reader = {
      readPicture: (picture, options, signal) => this.#read(entry, picture, options, signal),
    };
    const study = new Study(reader, () => {
      const options = this.#chooseOptions();
      return { ...options, heat: options.heat && entry === this.#current }; // selected one only
    });
    const url = URL.createObjectURL(blob);
    const entry = { name, page, ready: null, blob, url, study, row };
    row.querySelector("button").textContent = labelEntry(entry);
    study.name = name;
    row.querySelector("button").addEventListener("click", () => {
      this.#look(entry);
      // Not smoothly: the reading above the table changes meanwhile, and moves what is scrolled.
      const options = { block: "nearest", behavior: "instant" };
      this.#root.querySelector("#picture").scrollIntoView(options);
    });
    study.addEventListener("change", () => this.#paint(entry));
    return entry;
  }

  /** @param {Entry[]} entries */
  #enqueue(entries) {
    this.#queue.push(...entries.filter((entry) => !this.#queue.includes(entry)));
    while (this.#underWay < AT_ONCE && this.#queue.length > 0) this.#readNext();
  }

  async #readNext() {
    const entry = this.#queue.shift();
    this.#underWay += 1;
    try {
      await entry.study.read(() => this.#prepare(entry));
    } finally {
      this.#underWay -= 1;
      this.#enqueue([]);
    }
  }

  /**
   * Reads the picture of an entry, or its page. The first reading of a document adds entries for
   * the further pages.
   * @param {Entry} entry
   * @param {Blob} blob
   * @param {import("./service.js").Options} options
   * @param {AbortSignal} [signal]
   */
  async #read(entry, blob, options, signal) {
    const { ready } = entry;
    entry.ready = null;
    const key = JSON.stringify(options);
    const rows =
      ready?.options === key
        ? [ready.row]
        : await this.#service.readPages(blob, options, signal, entry.page);
    if (rows.length > 1 && this.#entries.includes(entry)) this.#addPages(entry, rows, key);
    const [row] = rows;
    if ("error" in row) throw new ServiceError(422, row.error);
    return row;
  }

  /** @param {Entry} first @param {import("./service.js").Row[]} rows @param {string} options */
  #addPages(first, rows, options) {
    first.page = 1;
    first.row.querySelector("button").textContent = labelEntry(first);
    const others = rows.slice(1).map((row) => {
      const entry = this.#makeEntry(first.name, first.blob, row.page);
      entry.ready = { row, options };
      return entry;
    });
    this.#entries.splice(this.#entries.indexOf(first) + 1, 0, ...others);
    first.row.after(...others.map(({ row }) => row));
    this.#enqueue(others);
  }

  /** @param {Entry} entry */
  async #prepare({ name, blob: file }) {
    let start;
    try {
      start = String.fromCharCode(...new Uint8Array(await file.slice(0, 4).arrayBuffer()));
    } catch {
      throw new ServiceError(0, `${name} cannot be opened: it is a folder, or was moved or changed.`);
    }
    // A browser that can display a document displays its first page only.
    const isDocument = DOCUMENT.test(start);
    const blob = isDocument ? file : await fitPixels(file, this.maxPixels);
    if (blob.size > this.maxBytes) {
      const sizes = [blob.size, this.maxBytes].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`);
      const message = `${name} is ${sizes[0]}; the limit is ${sizes[1]}. Resize it and try again.`;
      throw new ServiceError(413, message);
    }
    const fail = () => Promise.reject(new Error("a document has no pixels here"));
    return { blob, open: isDocument ? fail : () => createImageBitmap(blob) };
  }

  /** @param {Entry} entry */
  #look(entry) {
    this.#current = entry;
    this.#root.querySelector("#picture").hidden = false;
    this.#root.querySelector("#unseen").hidden = true;
    const image = this.#root.querySelector("#picture img");
    image.hidden = false;
    image.alt = labelEntry(entry);
    image.src = entry.url;
    if (entry.page > 1) this.#showUnseen();
    for (const { row } of this.#entries) {
      row.classList.toggle("current", row === entry.row);
      row.querySelector("button").setAttribute("aria-pressed", String(row === entry.row));
    }
    this.#paint(entry);
    this.dispatchEvent(new CustomEvent("study"));
    const { digit } = entry.study;
    if (this.#chooseOptions().heat && digit && !digit.heat) this.#enqueue([entry]);
  }

  /** @param {Entry} entry */
  #paint({ study, row }) {
    const { reading, error, busy } = study;
    const rejected = reading !== null && !reading.text;
    row.querySelector(".read").textContent = reading?.text.replaceAll("\n", " / ") ?? "";
    row.querySelector(".sure").textContent = reading?.text ? formatShare(reading.confidence) : "";
    row.querySelector(".remark").textContent =
      error ??
      [rejected ? explainReason(reading.reason) : "", ...(reading?.notes ?? [])]
        .filter(Boolean)
        .join(" ");
    row.classList.toggle("failed", error !== null);
    if (busy && reading === null) row.querySelector(".remark").textContent = "Reading …";
    if (study !== this.study) return;
    this.#boxes.show(reading, study.chosen);
    const image = this.#root.querySelector("#picture img");
    if (reading !== null && image.hidden) this.#fit(reading.width, reading.height);
  }

  /**
   * Shows a picture as large as it is, or a small one enlarged so that its pixels can be seen.
   * @param {number} width in pixels
   * @param {number} height
   */
  #fit(width, height) {
    const frame = this.#root.querySelector("#picture");
    const factor = Math.max(1, Math.floor(SHOWN_SIDE / Math.max(width, height)));
    frame.style.aspectRatio = `${width} / ${height}`;
    // Not cut off at the height of the window, which would distort it.
    frame.style.width = `min(${factor * width}px, 70vh * ${width / height})`;
    frame.style.minHeight = "0";
    frame.classList.toggle("enlarged", factor > 1);
  }

  /** For a format that this browser cannot display, but the service may read. */
  #showUnseen() {
    this.#root.querySelector("#picture img").hidden = true;
    this.#root.querySelector("#unseen").hidden = false;
  }

  #download() {
    const rows = this.#entries.map(({ name, page, study: { reading, error } }) => [
      name,
      reading?.text ?? "",
      reading?.confidence ?? "",
      reading?.reason ?? "",
      error ?? "",
      page ?? reading?.page ?? "",
    ]);
    const columns = ["file", "text", "confidence", "reason", "error", "page"];
    saveFile("readings.csv", new Blob([formatCsv([columns, ...rows])], { type: "text/csv" }));
  }

  #forget() {
    for (const { study, url } of this.#entries) {
      study.clear();
      URL.revokeObjectURL(url);
    }
    this.#memory.clear();
    this.#entries = [];
    this.#queue = [];
    this.#current = null;
    this.#table.querySelector("tbody").replaceChildren();
    this.#root.querySelector("#picture").hidden = true;
    this.#root.querySelector("#picture img").removeAttribute("src");
    this.#boxes.show(null);
    this.#say("All pictures are removed.");
    this.dispatchEvent(new CustomEvent("study"));
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#root.querySelector("#pictures-message").textContent = sentence;
  }
}

/** @param {{name: string, page: number | null}} entry */
function labelEntry({ name, page }) {
  return page === null ? name : `${name}, page ${page}`;
}

/** Returns whether dragged or pasted data contains files. @param {DataTransfer | null} transfer */
export function holdsFiles(transfer) {
  return transfer !== null && [...transfer.types].includes("Files");
}
