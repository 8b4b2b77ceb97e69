/** Entry point of the review: shows pictures one after another, and saves what the user types. */

import { placeBox } from "./boxes.js";
import { followConnection } from "./connection.js";
import { Service, ServiceError } from "./service.js";
import { count, explainReason } from "./wording.js";

/**
 * @typedef {import("./service.js").ReviewPicture} ReviewPicture
 * @typedef {{id: string, kind: "saved" | "skipped", text: string}} Step
 */

const UNCERTAIN = "?";
const AHEAD = 2; // pictures that are fetched before they are shown
const MARGIN = 0.2; // around the digit in the close-up, relative to its longer side

/** @param {string} id @returns {any} */
const find = (id) => document.getElementById(id);

const service = new Service();
const text = find("text");
const image = find("image");
const frame = find("frame");
const boxes = frame.querySelector(".boxes");

/** @type {Map<string, Promise<{picture: ReviewPicture, url: string}>>} */
const fetched = new Map();
/** @type {string[]} Ids of the pictures to show. */
let waiting = [];
/** @type {Step[]} */
let steps = [];
/** @type {Set<string>} */
const skipped = new Set();
/** @type {ReviewPicture | null} */
let shown = null;
let isBusy = false;
let counts = { n_open: 0, n_pictures: 0, folder: "" };

/**
 * Runs a task unless another one is running, and shows its failure.
 * @param {() => Promise<unknown>} task
 */
async function run(task) {
  if (isBusy) return;
  isBusy = true;
  find("message").textContent = "";
  try {
    await task();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.status === 403) find("off").hidden = false;
    find("message").textContent = error.status === 403 ? "" : error.message;
    if (error.status === 403) find("state").textContent = "";
  } finally {
    isBusy = false;
  }
}

async function loadList() {
  const list = await service.fetchReview();
  counts = list;
  waiting = list.open.filter((id) => !skipped.has(id));
  for (const place of document.querySelectorAll(".folder")) place.textContent = list.folder;
}

/** Shows the next picture, or that there is none. */
async function showNext() {
  if (waiting.length === 0) await loadList();
  tellProgress();
  if (waiting.length === 0) {
    showEnd();
    return;
  }
  await show(waiting[0]);
  for (const id of waiting.slice(1, 1 + AHEAD)) fetchOne(id).catch(() => fetched.delete(id));
}

/** @param {string} id */
function fetchOne(id) {
  let one = fetched.get(id);
  if (one === undefined) {
    one = Promise.all([service.fetchReviewPicture(id), service.fetchReviewImage(id)]).then(
      ([picture, blob]) => ({ picture, url: URL.createObjectURL(blob) }),
    );
    fetched.set(id, one);
  }
  return one;
}

/** @param {string} id @param {string | null} [typed] what the user typed before */
async function show(id, typed = null) {
  let one;
  try {
    one = await fetchOne(id);
  } catch (error) {
    fetched.delete(id);
    throw error;
  }
  const { picture, url } = one;
  shown = picture;
  find("item").hidden = false;
  find("end").hidden = true;
  image.src = url;
  await image.decode();
  const page = picture.page === null ? "" : `, page ${picture.page}`;
  find("source").textContent = `${picture.address}${page}`;
  image.alt = `Picture of ${picture.address}${page}`;
  setFull(false);
  boxes.replaceChildren(...picture.digits.map((digit) => drawBox(digit, picture)));
  text.value = typed ?? propose(picture);
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
  selectUncertain(0);
  follow();
}

/** Returns the text to begin with: what was read. @param {ReviewPicture} picture */
function propose(picture) {
  return picture.text || picture.digits.map((digit) => digit.character).join("");
}

/** @param {import("./service.js").ReviewDigit} digit @param {ReviewPicture} picture */
function drawBox(digit, picture) {
  const box = placeBox(digit.box, picture);
  box.className = /\d/.test(digit.character) ? "box" : "box rejected";
  return box;
}

function tellProgress() {
  const done = counts.n_pictures - counts.n_open;
  const progress = find("progress");
  progress.hidden = counts.n_pictures === 0;
  progress.max = Math.max(counts.n_pictures, 1);
  progress.value = done;
  find("state").textContent = `${done} of ${count(counts.n_pictures, "picture", "pictures")} reviewed.`;
  find("undo").disabled = steps.length === 0;
}

function showEnd() {
  shown = null;
  find("item").hidden = true;
  find("end").hidden = false;
  const left = skipped.size;
  find("again").hidden = left === 0;
  find("end-title").textContent =
    left > 0
      ? `${count(left, "picture is", "pictures are")} skipped`
      : counts.n_pictures === 0
        ? "There are no pictures to review yet"
        : "All pictures are reviewed";
  find("end-title").focus();
}

/** Saves the text of the picture that is shown. @param {string} answer */
async function accept(answer) {
  if (shown === null) return;
  const { id } = shown;
  await service.saveReview(id, answer);
  leave({ id, kind: "saved", text: answer });
  counts.n_open -= 1;
  await showNext();
}

async function skip() {
  if (shown === null) return;
  skipped.add(shown.id);
  leave({ id: shown.id, kind: "skipped", text: text.value });
  await showNext();
}

/** @param {Step} step */
function leave(step) {
  steps.push(step);
  waiting = waiting.filter((id) => id !== step.id);
  forget(step.id);
}

/** Frees the memory of a picture. @param {string} id */
function forget(id) {
  fetched.get(id)?.then(({ url }) => URL.revokeObjectURL(url));
  fetched.delete(id);
}

async function undo() {
  const step = steps.at(-1);
  if (step === undefined) return;
  if (step.kind === "saved") {
    await service.undoReview(step.id);
    counts.n_open += 1;
  }
  steps.pop();
  skipped.delete(step.id);
  waiting = [step.id, ...waiting.filter((id) => id !== step.id)];
  tellProgress();
  await show(step.id, step.text);
}

/** Accepts what is typed, if it is complete. */
function submit() {
  const answer = clean(text.value).trim();
  if (answer.includes(UNCERTAIN)) {
    find("message").textContent = "Replace each ? by the digit that you see.";
    selectUncertain(0);
  } else if (!/\d/.test(answer)) {
    find("message").textContent = "Type the digits, or choose “No digits”.";
  } else {
    run(() => accept(answer));
  }
}

/** Removes what cannot be part of a text. @param {string} typed */
function clean(typed) {
  return typed.replace(/[^0-9 .,/+\-\n?]/g, "");
}

/** Selects the first uncertain digit from a place on. @param {number} start */
function selectUncertain(start) {
  const place = text.value.indexOf(UNCERTAIN, start);
  if (place >= 0) text.setSelectionRange(place, place + 1);
}

/** Shows the digit at the caret: its box, and a close-up. */
function follow() {
  const digits = shown?.digits ?? [];
  const before = text.value.slice(0, text.selectionStart).match(/[0-9?]/g)?.length ?? 0;
  const visible = digits.map((_, number) => number).filter((number) => digits[number].character);
  const chosen = visible.length === (text.value.match(/[0-9?]/g)?.length ?? 0) ? visible[before] : undefined;
  [...boxes.children].forEach((box, number) => box.classList.toggle("chosen", number === chosen));
  find("sentence").textContent = explain(chosen === undefined ? null : digits[chosen]);
  find("closeup").hidden = chosen === undefined;
  if (chosen !== undefined) drawCloseup(digits[chosen].box);
}

/** Says why a digit, or the picture, was not read. @param {import("./service.js").ReviewDigit | null} digit */
function explain(digit) {
  if (digit?.reason) return explainReason(digit.reason);
  return shown?.reason ? explainReason(shown.reason) : "";
}

/** @param {[number, number, number, number]} box */
function drawCloseup([left, top, width, height]) {
  const canvas = find("closeup").querySelector("canvas");
  const side = Math.max(width, height) * (1 + 2 * MARGIN);
  const x = left + width / 2 - side / 2;
  const y = top + height / 2 - side / 2;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, x, y, side, side, 0, 0, canvas.width, canvas.height);
  canvas.setAttribute("aria-label", "The digit at the caret, enlarged");
}

/** @param {boolean} full */
function setFull(full) {
  frame.classList.toggle("full", full);
  find("full").setAttribute("aria-pressed", String(full));
}

const toggleFull = () => setFull(!frame.classList.contains("full"));

/** @type {Record<string, () => void>} */
const SHORTCUTS = {
  n: () => shown && run(() => accept("")),
  s: () => run(skip),
  u: () => run(undo),
  f: toggleFull,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("lock").open) return;
  if (event.key === "Enter" && !event.shiftKey && event.target === text && !event.isComposing) {
    event.preventDefault();
    submit();
    return;
  }
  const shortcut = SHORTCUTS[event.key.toLowerCase()];
  if (shortcut !== undefined) {
    event.preventDefault();
    shortcut();
  } else if (/^[0-9]$/.test(event.key) && event.target !== text && shown !== null) {
    text.focus(); // the key then types there
  }
});
find("answer").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
text.addEventListener("input", () => {
  const place = text.selectionStart;
  const cleaned = clean(text.value);
  if (cleaned !== text.value) {
    text.value = cleaned;
    text.setSelectionRange(place - 1, place - 1);
  }
  find("message").textContent = "";
  selectUncertain(text.selectionStart);
  follow();
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement === text) follow();
});
find("none").addEventListener("click", SHORTCUTS.n);
find("skip").addEventListener("click", SHORTCUTS.s);
find("undo").addEventListener("click", SHORTCUTS.u);
find("full").addEventListener("click", toggleFull);
find("again").addEventListener("click", () => {
  skipped.clear();
  run(showNext);
});
followConnection(service, () => {
  if (shown === null) run(showNext);
});
run(showNext);
