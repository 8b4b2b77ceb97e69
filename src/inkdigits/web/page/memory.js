/**
 * Keeps the drawing and the pictures of this tab in the browser, so that reloading the page does not
 * lose them. Nothing is kept where the browser has no storage, as in some private windows.
 */

const STROKES = "inkdigits-strokes"; // keys in the storage of the tab
const SESSION = "inkdigits-session";
const DATABASE = "inkdigits";
const STORE = "pictures";

const MOST_PICTURES = 20; // per tab; the oldest are dropped first
const MOST_BYTES = 50e6;
const LONGEST_MS = 24 * 60 * 60 * 1000; // pictures of tabs that were closed are removed after it

/** @param {import("./canvas.js").Stroke[]} strokes */
export function saveStrokes(strokes) {
  try {
    if (strokes.length === 0) sessionStorage.removeItem(STROKES);
    else sessionStorage.setItem(STROKES, JSON.stringify(strokes, shorten));
  } catch {
    // No storage, or the drawing is too large for it.
  }
}

/** @returns {import("./canvas.js").Stroke[]} */
export function loadStrokes() {
  try {
    const strokes = JSON.parse(sessionStorage.getItem(STROKES) ?? "[]");
    return strokes.every(isStroke) ? strokes : [];
  } catch {
    return [];
  }
}

/** The pictures of this tab. */
export class PictureMemory {
  #session = nameSession();

  /**
   * Adds pictures. Above the limits, the oldest ones are dropped.
   * @param {File[]} files
   */
  async save(files) {
    const at = Date.now();
    const added = files.map((file) => ({ session: this.#session, at, file }));
    await this.#use("readwrite", (store, rows) => {
      const own = [...rows.filter(({ session }) => session === this.#session), ...added];
      const kept = new Set(chooseNewest(own));
      for (const row of rows) {
        const old = at - row.at > LONGEST_MS;
        if (old || (own.includes(row) && !kept.has(row))) store.delete(row.key);
      }
      for (const row of added) if (kept.has(row)) store.add(row);
    });
  }

  /** @returns {Promise<File[]>} in the order in which they were added */
  async load() {
    /** @type {File[]} */
    const files = [];
    await this.#use("readonly", (_, rows) => {
      files.push(...rows.filter((row) => row.session === this.#session).map(({ file }) => file));
    });
    return files;
  }

  async clear() {
    await this.#use("readwrite", (store, rows) => {
      for (const { session, key } of rows) if (session === this.#session) store.delete(key);
    });
  }

  /**
   * Runs a step with all rows in one transaction.
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore, rows: any[]) => void} step
   */
  async #use(mode, step) {
    try {
      const database = await open();
      await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
        const store = transaction.objectStore(STORE);
        const values = store.getAll();
        const keys = store.getAllKeys();
        keys.onsuccess = () => {
          step(store, values.result.map((value, i) => ({ ...value, key: keys.result[i] })));
        };
      });
      database.close();
    } catch {
      // No storage, or none left.
    }
  }
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STORE, { autoIncrement: true });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {{file: File}[]} rows oldest first */
function chooseNewest(rows) {
  const newest = [];
  let bytes = 0;
  for (const row of rows.toReversed()) {
    bytes += row.file.size;
    if (newest.length === MOST_PICTURES || bytes > MOST_BYTES) break;
    newest.push(row);
  }
  return newest;
}

/** Returns the name of this tab, which a reload does not change. */
function nameSession() {
  const fresh = `${Date.now()}-${Math.random()}`;
  try {
    const known = sessionStorage.getItem(SESSION) ?? fresh;
    sessionStorage.setItem(SESSION, known);
    return known;
  } catch {
    return fresh;
  }
}

/** Rounds coordinates to tenths of a pixel. @param {string} _ @param {any} value */
function shorten(_, value) {
  return typeof value === "number" ? Math.round(10 * value) / 10 : value;
}

/** @param {any} stroke */
function isStroke(stroke) {
  return stroke.length > 0 && stroke.every(({ x, y, width }) => Number.isFinite(x + y + width));
}
