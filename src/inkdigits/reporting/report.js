"use strict";
// Shows the images behind a cell of the confusion matrix, and behind a digit of the map.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const examples = data.examples.map(([index, label, predicted, confidence], position) => ({
    index,
    label,
    predicted,
    confidence,
    position,
  }));

  function buildTile(example) {
    const tile = document.createElement("span");
    tile.className = "tile evaluated";
    tile.style.setProperty("--x", example.position % data.columns);
    tile.style.setProperty("--y", Math.floor(example.position / data.columns));
    return tile;
  }

  function describe(example) {
    const sure = Math.min(99.9, 100 * example.confidence).toFixed(1);
    const names = data.names;
    const read = example.label === example.predicted ? "" : ` read as ${names[example.predicted]}`;
    return `${names[example.label]}${read}, ${sure} % sure, image ${example.index.toLocaleString("en")}`;
  }

  const cell = document.getElementById("cell");
  let pressed = null;

  function showCell(button) {
    pressed?.setAttribute("aria-pressed", "false");
    pressed = button;
    button.setAttribute("aria-pressed", "true");
    const label = Number(button.dataset.label);
    const predicted = Number(button.dataset.predicted);
    const count = Number(button.dataset.count);
    const found = examples
      .filter((example) => example.label === label && example.predicted === predicted)
      .sort((one, other) => other.confidence - one.confidence);
    const title = document.createElement("p");
    const which = found.length < count ? `${found.length} of ${count.toLocaleString("en")}` : count;
    const names = `${data.names[label]} read as ${data.names[predicted]}`;
    title.textContent = `${names}: ${which} images, the surest first.`;
    const tiles = document.createElement("div");
    tiles.className = "tiles";
    for (const example of found) {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = `${Math.min(99.9, 100 * example.confidence).toFixed(1)} %`;
      figure.title = describe(example);
      figure.append(buildTile(example), caption);
      tiles.append(figure);
    }
    cell.replaceChildren(title, tiles);
  }

  for (const button of document.querySelectorAll(".confusion button")) {
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => showCell(button));
  }

  const map = document.getElementById("map");
  if (!map) {
    return;
  }
  const points = [...map.querySelectorAll("text")];
  const places = points.map((text) => ["x", "y"].map((name) => Number(text.getAttribute(name))));
  const hint = document.getElementById("hint");
  const reach = 24;
  let chosen = -1;

  function choose(number) {
    points[chosen]?.classList.remove("chosen");
    chosen = number;
    if (number < 0) {
      hint.hidden = true;
      return;
    }
    const point = points[number];
    point.classList.add("chosen");
    map.append(point); // above the others
    const example = examples[data.mapped[number]];
    const text = document.createElement("span");
    text.textContent = describe(example);
    hint.replaceChildren(buildTile(example), text);
    hint.hidden = false;
    const box = point.getBoundingClientRect();
    const left = Math.min(box.right + 12, innerWidth - hint.offsetWidth - 8);
    const top = Math.min(box.bottom + 12, innerHeight - hint.offsetHeight - 8);
    hint.style.left = `${Math.max(8, left)}px`;
    hint.style.top = `${Math.max(8, top)}px`;
  }

  function findNearest(event) {
    const box = map.getBoundingClientRect();
    const scale = map.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale;
    const y = (event.clientY - box.top) * scale;
    let nearest = -1;
    let least = reach;
    places.forEach(([left, top], number) => {
      const distance = Math.hypot(left - x, top - y);
      if (distance < least) {
        least = distance;
        nearest = number;
      }
    });
    return nearest;
  }

  map.addEventListener("pointermove", (event) => choose(findNearest(event)));
  map.addEventListener("pointerdown", (event) => choose(findNearest(event)));
  map.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && choose(-1));
  const frame = map.parentElement;
  frame.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      choose((chosen + step + points.length) % points.length);
    } else if (event.key === "Escape") {
      choose(-1);
    }
  });
  frame.addEventListener("blur", () => choose(-1));
  addEventListener("scroll", () => choose(-1), { passive: true });
})();
