// Finds the digits and signs of a PNG picture: node examples/find_digits.mjs PICTURE
// Needs onnxruntime-node and pngjs.
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

const folder = new URL("../", import.meta.url);
const card = JSON.parse(readFileSync(new URL("model.json", folder), "utf8"));
const session = await InferenceSession.create(readFileSync(new URL("model.onnx", folder)));

const { width, height, data } = PNG.sync.read(readFileSync(process.argv[2])); // RGBA
const grey = new Uint8Array(width * height); // 0 is black
for (let i = 0; i < grey.length; i++) {
  grey[i] = (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 0x8000) >> 16;
}
const picture = new Tensor("uint8", grey, [height, width]);
const { boxes, classes, scores } = await session.run({ picture }, ["boxes", "classes", "scores"]);

const order = [...scores.data.keys()].sort((a, b) => boxes.data[4 * a] - boxes.data[4 * b]);
for (const index of order) { // from left to right
  if (scores.data[index] >= card.threshold) {
    const box = boxes.data.slice(4 * index, 4 * index + 4);
    const [left, top, wide, high] = Array.from(box, Math.round);
    const name = card.classes[Number(classes.data[index])];
    console.log(`${name} ${scores.data[index].toFixed(2)} at ${left},${top} of ${wide} x ${high} pixels`);
  }
}
