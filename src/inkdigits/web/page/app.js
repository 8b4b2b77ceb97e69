/** Entry point: connects the views, the reading panel and the service. */

import { followConnection } from "./connection.js";
import { CorrectionForm, CorrectionsView } from "./corrections.js";
import { Downloads } from "./downloads.js";
import { DrawingView } from "./drawing.js";
import { GalleryView } from "./gallery.js";
import { InsideView } from "./inside.js";
import { ReadingPanel } from "./panel.js";
import { holdsFiles, PicturesView } from "./pictures.js";
import { Service, ServiceError } from "./service.js";
import { Tabs } from "./tabs.js";

const INVITATIONS = {
  draw: "Draw one digit or several.",
  pictures: "Choose a picture.",
  gallery: "Choose a digit.",
};

/** @param {string} id @returns {any} */
const find = (id) => document.getElementById(id);

const service = new Service();
const panel = new ReadingPanel(find("reading"));
const chooseOptions = () => panel.options;
const form = new CorrectionForm(
  find("correction"),
  find("correction-off"),
  find("truth"),
  service,
);
const downloads = new Downloads(find("save"));
const corrections = new CorrectionsView(find("corrections"), service);
const views = {
  draw: new DrawingView(find("draw"), service, chooseOptions),
  pictures: new PicturesView(find("pictures"), find("table"), service, chooseOptions),
  gallery: new GalleryView(find("gallery"), service, chooseOptions),
};
const inside = new InsideView(find("inside"), service);
const tabs = new Tabs(find("tabs"));
/** @type {import("./study.js").Study | null} The study of the view that was open last. */
let latest = null;

/** Shows the study of the open view in the panel. */
function follow() {
  const view = views[tabs.open];
  find("reading").hidden = view === undefined;
  find("table").hidden = tabs.open !== "pictures" || views.pictures.isEmpty;
  find("workspace").classList.toggle("alone", view === undefined);
  if (view === undefined) return;
  latest = view.study;
  const isQueued = view === views.pictures && !views.pictures.isEmpty;
  panel.show(view.study, isQueued ? "Waiting to be read …" : INVITATIONS[tabs.open]);
  form.show(view.study);
  downloads.show(view.study);
  find("one-digit-option").hidden = tabs.open === "gallery"; // there, each picture is one digit
}

async function loadStatus() {
  try {
    const status = await service.fetchStatus();
    find("model").textContent = `Reader “${status.reader}”, inkdigits ${status.version}`;
    panel.threshold = status.threshold;
    find("threshold").placeholder = String(Math.round(100 * status.threshold));
    form.kept = status.corrections;
    find("review-link").hidden = !status.review;
    views.pictures.maxBytes = status.limits.max_bytes;
    views.pictures.maxPixels = status.limits.max_pixels;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    find("model").textContent = error.message;
  }
}

/** @param {Iterable<File>} files */
function takePictures(files) {
  tabs.show("pictures");
  views.pictures.add(files);
}

function listenToViews() {
  tabs.addEventListener("open", () => {
    follow();
    views.pictures.leave();
    if (tabs.open === "gallery") views.gallery.enter();
    if (tabs.open === "inside") inside.enter(latest?.digit?.tile);
    if (tabs.open === "corrections") corrections.enter();
  });
  views.pictures.addEventListener("study", follow);
  views.gallery.addEventListener("chosen", () => {
    // In a narrow window the panel is below the gallery, out of view.
    if (matchMedia("(max-width: 48rem)").matches) find("reading").scrollIntoView();
  });
  panel.addEventListener("options", (event) => {
    const { heat } = /** @type {CustomEvent} */ (event).detail;
    views.draw.reread();
    views.pictures.reread(heat);
    if (heat) views.gallery.reread();
  });
}

function listenToFiles() {
  document.addEventListener("paste", (event) => {
    if (holdsFiles(event.clipboardData)) takePictures(event.clipboardData.files);
  });
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event.dataTransfer)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!holdsFiles(event.dataTransfer)) return;
    event.preventDefault();
    takePictures(event.dataTransfer.files);
  });
}

/** Arrow keys select a digit on the picture, number keys propose a correction. */
function listenToKeys() {
  find("workspace").addEventListener("keydown", (event) => {
    const study = views[tabs.open]?.study;
    if (study === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined && event.target.matches(".surface")) {
      event.preventDefault();
      study.choose(study.chosen + step);
    } else if (/^[0-9n]$/.test(event.key) && !event.target.matches("select, [type=number]")) {
      if (form.propose(event.key === "n" ? "" : event.key)) event.preventDefault();
    }
  });
}

listenToViews();
followConnection(service, loadStatus);
listenToFiles();
listenToKeys();
tabs.start("draw");
views.pictures.restore();
loadStatus();
