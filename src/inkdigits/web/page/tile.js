/** Draws tiles, the input of the network, and their heat maps. */

const SIDE = 28;
const FOR = [240, 120, 20]; // covering it makes the digit less likely
const AGAINST = [60, 140, 240]; // covering it makes the digit more likely

/**
 * Draws a tile, light ink on a dark background, as in the network's input.
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} tile 28 rows of 28 numbers, 0 to 255
 * @param {number[][]} [heat] -1 to 1; drawn over the tile if given
 */
export function drawTile(canvas, tile, heat) {
  canvas.width = SIDE;
  canvas.height = SIDE;
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  // Scaled by its own peak: for a confident digit all values are small.
  const peak = heat ? Math.max(...heat.flat().map(Math.abs), 1e-6) : 1;
  tile.flat().forEach((ink, i) => {
    const warmth = heat ? heat[Math.floor(i / SIDE)][i % SIDE] / peak : 0;
    const opacity = 0.85 * Math.abs(warmth);
    const colour = warmth > 0 ? FOR : AGAINST;
    const pixel = colour.map((channel) => opacity * channel + (1 - opacity) * ink);
    image.data.set([...pixel, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

/** @param {number[][]} tile @returns {HTMLCanvasElement} */
export function makeTile(tile) {
  const canvas = document.createElement("canvas");
  canvas.className = "tile";
  drawTile(canvas, tile);
  return canvas;
}
