/** A surface to draw on with mouse, pen or finger. It stores strokes, not pixels. */

/** Size in drawing pixels, independent of the size on the screen. */
export const WIDTH = 640;
export const HEIGHT = 480;

const TAP_REACH = 5; // drawing pixels; a stroke that stays within this distance is a tap

/**
 * @typedef {{x: number, y: number, width: number}} Point in drawing pixels
 * @typedef {Point[]} Stroke
 */

/**
 * Events: `change` when the drawing changes; `tap`, whose `detail` is x and y in drawing pixels. A
 * listener that calls `preventDefault` keeps the tap from leaving a dot.
 */
export class DrawingSurface extends EventTarget {
  penWidth = 18; // drawing pixels
  #canvas;
  /** @type {Stroke[]} */
  #strokes = [];
  /** @type {Stroke[][]} The strokes before each step that can be undone. */
  #past = [];
  /** @type {Stroke | null} */
  #open = null;
  #frame = 0;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    super();
    this.#canvas = canvas;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#extend(event));
    canvas.addEventListener("pointerup", () => this.#end());
    canvas.addEventListener("pointercancel", () => this.#cancel());
    // Colour depends on the style, resolution on the window: repaint if either changes.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#repaint());
    new ResizeObserver(() => this.#repaint()).observe(canvas);
  }

  get isEmpty() {
    return this.#strokes.length === 0 && this.#open === null;
  }

  get strokes() {
    return this.#strokes;
  }

  /** Replaces the drawing, without a step to undo. @param {Stroke[]} strokes */
  restore(strokes) {
    if (strokes.length === 0) return;
    this.#strokes = strokes;
    this.#announce();
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  undo() {
    const before = this.#past.pop();
    if (before === undefined) return;
    this.#strokes = before;
    this.#announce();
  }

  /** Clears the surface, which can be undone. */
  clear() {
    if (this.isEmpty) return;
    this.#open = null;
    this.#remember();
    this.#strokes = [];
    this.#announce();
  }

  /** Returns the drawing in black on white, independent of the colours on the screen. */
  toPicture() {
    const picture = document.createElement("canvas");
    picture.width = WIDTH;
    picture.height = HEIGHT;
    const context = picture.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, WIDTH, HEIGHT);
    paintStrokes(context, this.#listStrokes(), "#000");
    return picture;
  }

  #listStrokes() {
    return this.#open === null ? this.#strokes : [...this.#strokes, this.#open];
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#open = [this.#locate(event)];
    this.#repaint();
  }

  /** @param {PointerEvent} event */
  #extend(event) {
    if (this.#open === null || !event.isPrimary) return;
    // A pen reports faster than the screen repaints; without these points, curves get corners.
    const moves = event.getCoalescedEvents?.() ?? [];
    this.#open.push(...(moves.length ? moves : [event]).map((move) => this.#locate(move)));
    this.#announce();
  }

  #end() {
    const stroke = this.#open;
    if (stroke === null) return;
    this.#open = null;
    const [{ x, y }] = stroke;
    if (stroke.every((point) => Math.hypot(point.x - x, point.y - y) <= TAP_REACH)) {
      const tap = new CustomEvent("tap", { cancelable: true, detail: { x, y } });
      if (!this.dispatchEvent(tap)) {
        this.#announce();
        return;
      }
    }
    this.#remember();
    this.#strokes = [...this.#strokes, stroke];
    this.#announce();
  }

  #cancel() {
    this.#open = null;
    this.#announce();
  }

  #remember() {
    this.#past.push(this.#strokes);
  }

  #announce() {
    this.#repaint();
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** @param {PointerEvent} event @returns {Point} */
  #locate(event) {
    const frame = this.#canvas.getBoundingClientRect();
    // Only pens measure pressure: a mouse always reports 0.5, and fingers are unreliable.
    const pressed = event.pointerType === "pen" && event.pressure > 0;
    return {
      x: ((event.clientX - frame.left) / frame.width) * WIDTH,
      y: ((event.clientY - frame.top) / frame.height) * HEIGHT,
      width: this.penWidth * (pressed ? 0.5 + event.pressure : 1),
    };
  }

  #repaint() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      const canvas = this.#canvas;
      const scale = (canvas.clientWidth * devicePixelRatio) / WIDTH;
      if (scale === 0) return; // hidden
      canvas.width = Math.round(WIDTH * scale);
      canvas.height = Math.round(HEIGHT * scale);
      const context = canvas.getContext("2d");
      context.scale(scale, scale);
      paintStrokes(context, this.#listStrokes(), getComputedStyle(canvas).color);
    });
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke[]} strokes
 * @param {string} colour
 */
function paintStrokes(context, strokes, colour) {
  context.strokeStyle = colour;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) paintStroke(context, stroke);
}

/**
 * Draws curves between the midpoints of consecutive points, so that they join smoothly.
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} points
 */
function paintStroke(context, points) {
  let from = points[0];
  points.forEach((point, i) => {
    const next = points[i + 1] ?? point;
    const to = { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2, width: point.width };
    context.lineWidth = point.width;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.quadraticCurveTo(point.x, point.y, to.x, to.y);
    context.stroke();
    from = to;
  });
}
