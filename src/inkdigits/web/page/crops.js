/** Prepares pictures for sending: scales them down, or crops digits as base64 PNG files. */

const MARGIN = 0.5; // fraction of the box's longer side; the network needs some background
const LONGEST_SIDE = 400; // pixels; enough for one digit

/**
 * @typedef {[number, number, number, number]} Box left, top, width, height in pixels
 */

/**
 * Crops a digit with some background around it, but without its neighbours.
 * @param {HTMLCanvasElement | ImageBitmap} picture
 * @param {Box} box
 * @param {Box[]} others boxes of the other digits
 */
export async function cropToBase64(picture, box, others) {
  const [left, top, right, bottom] = chooseFrame(picture, box, others);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(right - left, bottom - top));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round((right - left) * scale));
  canvas.height = Math.max(1, Math.round((bottom - top) * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const size = [canvas.width, canvas.height];
  context.drawImage(picture, left, top, right - left, bottom - top, 0, 0, ...size);
  return encodeBase64(await toPng(canvas));
}

/**
 * Returns the picture, scaled down if it has more pixels than the service accepts.
 * @param {Blob} blob
 * @param {number} maxPixels
 * @returns {Promise<Blob>}
 */
export async function fitPixels(blob, maxPixels) {
  let picture;
  try {
    picture = await createImageBitmap(blob);
  } catch {
    return blob; // the service reports what is wrong with it
  }
  const scale = Math.sqrt(maxPixels / (picture.width * picture.height));
  if (scale >= 1) {
    picture.close();
    return blob;
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(picture.width * scale));
  canvas.height = Math.max(1, Math.floor(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white"; // a JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve) => {
    canvas.toBlob((smaller) => resolve(smaller ?? blob), "image/jpeg", 0.92);
  });
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export function toPng(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG"))), "image/png");
  });
}

/** @param {Blob} blob @returns {Promise<string>} */
export function encodeBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1]);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/**
 * @param {string} text base64
 * @param {string} type of the blob
 */
export function decodeBase64(text, type) {
  return new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type });
}

/**
 * Returns the box with its margin, cut back at each neighbour.
 * @param {{width: number, height: number}} picture
 * @param {Box} box
 * @param {Box[]} others
 */
function chooseFrame(picture, [x, y, width, height], others) {
  const margin = Math.ceil(MARGIN * Math.max(width, height));
  let left = Math.max(0, x - margin);
  let top = Math.max(0, y - margin);
  let right = Math.min(picture.width, x + width + margin);
  let bottom = Math.min(picture.height, y + height + margin);
  for (const [otherX, otherY, otherWidth, otherHeight] of others) {
    const otherRight = otherX + otherWidth;
    const otherBottom = otherY + otherHeight;
    const beside = otherY < bottom && otherBottom > top;
    const aligned = otherX < right && otherRight > left;
    if (beside && otherRight <= x) left = Math.max(left, otherRight);
    else if (beside && otherX >= x + width) right = Math.min(right, otherX);
    else if (aligned && otherBottom <= y) top = Math.max(top, otherBottom);
    else if (aligned && otherY >= y + height) bottom = Math.min(bottom, otherY);
  }
  return [left, top, right, bottom];
}
