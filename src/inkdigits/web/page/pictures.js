/** Pictures that were dropped, pasted, chosen or photographed: one to look at, all in a table. */

import { Boxes } from "./boxes.js";
import { Camera } from "./camera.js";
import { fitPixels } from "./crops.js";
import { ServiceError } from "./service.js";
import { Study } from "./study.js";
import { formatCsv, saveFile } from "./table.js";
import { explainReason, formatShare } from "./wording.js";

const AT_ONCE = 2; // pictures under way to the service

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {Blob} blob
 * @property {string} url of the blob, for the browser to show
 * @property {Study} study
 * @property {HTMLTableRowElement} row
 */

/** Event: `study` when another picture is looked at. */
export class PicturesView extends EventTarget {
  /** @type {number} Largest picture that the service takes, in bytes. */
  maxBytes = Infinity;
  /** @type {number} Largest picture that the service takes; larger ones are made smaller. */
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

  /** @param {Iterable<File>} files */
  add(files) {
    const entries = [...files].map((file) => this.#makeEntry(file.name, file));
    if (entries.length === 0) return;
    this.#entries.push(...entries);
    this.#table.querySelector("tbody").append(...entries.map(({ row }) => row));
    this.#say("");
    this.#look(entries[0]);
    this.#enqueue(entries);
  }

  /** Reads again after the options have changed. @param {boolean} onlyCurrent */
  reread(onlyCurrent) {
    const entries = onlyCurrent ? this.#entries.filter((e) => e === this.#current) : this.#entries;
    this.#enqueue(entries);
  }

  /** Switches off what goes on only while the view is seen. */
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
    this.#root.querySelector("#picture").addEventListener("click", (event) => {
      const { reading } = this.study;
      if (reading === null) return;
      const frame = this.#root.querySelector("#picture .boxes").getBoundingClientRect();
      const x = ((event.clientX - frame.left) / frame.width) * reading.width;
      const y = ((event.clientY - frame.top) / frame.height) * reading.height;
      this.study.choose(this.#boxes.find(x, y));
    });
  }

  /** @param {string} name @param {Blob} blob @returns {Entry} */
  #makeEntry(name, blob) {
    const template = this.#table.querySelector("template");
    const row = template.content.cloneNode(true).querySelector("tr");
    const study = new Study(this.#service, () => {
      const options = this.#chooseOptions();
      return { ...options, heat: options.heat && entry === this.#current }; // of what is looked at
    });
    const entry = { name, blob, url: URL.createObjectURL(blob), study, row };
    row.querySelector("button").textContent = name;
    row.querySelector("button").addEventListener("click", () => this.#look(entry));
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

  /** @param {Entry} entry */
  async #prepare({ name, blob: file }) {
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      throw new ServiceError(0, `${name} cannot be opened: it is a folder, or was moved or changed.`);
    }
    const blob = await fitPixels(file, this.maxPixels);
    if (blob.size > this.maxBytes) {
      const sizes = [blob.size, this.maxBytes].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`);
      const message = `${name} has ${sizes[0]}; at most ${sizes[1]} are taken: resize it.`;
      throw new ServiceError(413, message);
    }
    return { blob, open: () => createImageBitmap(blob) };
  }

  /** @param {Entry} entry */
  #look(entry) {
    this.#current = entry;
    this.#root.querySelector("#picture").hidden = false;
    this.#root.querySelector("#unseen").hidden = true;
    const image = this.#root.querySelector("#picture img");
    image.hidden = false;
    image.alt = entry.name;
    image.src = entry.url;
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
    const refused = reading !== null && !reading.text;
    row.querySelector(".read").textContent = reading?.text.replaceAll("\n", " / ") ?? "";
    row.querySelector(".sure").textContent = reading?.text ? formatShare(reading.confidence) : "";
    row.querySelector(".remark").textContent =
      error ??
      [refused ? explainReason(reading.reason) : "", ...(reading?.notes ?? [])]
        .filter(Boolean)
        .join(" ");
    row.classList.toggle("failed", error !== null);
    if (busy && reading === null) row.querySelector(".remark").textContent = "Reading …";
    if (study !== this.study) return;
    this.#boxes.show(reading, study.chosen);
    const box = this.#root.querySelector("#picture");
    if (reading !== null) box.style.aspectRatio = `${reading.width} / ${reading.height}`;
  }

  /** A picture that the service may well read, but this browser does not show. */
  #showUnseen() {
    this.#root.querySelector("#picture img").hidden = true;
    this.#root.querySelector("#unseen").hidden = false;
  }

  #download() {
    const rows = this.#entries.map(({ name, study: { reading, error } }) => [
      name,
      reading?.text ?? "",
      reading?.confidence ?? "",
      reading?.reason ?? "",
      error ?? "",
    ]);
    const columns = ["file", "text", "confidence", "reason", "error"];
    saveFile("readings.csv", formatCsv([columns, ...rows]), "text/csv");
  }

  #forget() {
    for (const { study, url } of this.#entries) {
      study.clear();
      URL.revokeObjectURL(url);
    }
    this.#entries = [];
    this.#queue = [];
    this.#current = null;
    this.#table.querySelector("tbody").replaceChildren();
    this.#root.querySelector("#picture").hidden = true;
    this.#root.querySelector("#picture img").removeAttribute("src");
    this.#boxes.show(null);
    this.#say("All pictures are gone from this page.");
    this.dispatchEvent(new CustomEvent("study"));
  }

  /** @param {string} sentence */
  #say(sentence) {
    this.#root.querySelector("#pictures-message").textContent = sentence;
  }
}

/** Whether what is dragged or pasted holds files. @param {DataTransfer | null} transfer */
export function holdsFiles(transfer) {
  return transfer !== null && [...transfer.types].includes("Files");
}
