// Classifies a PNG of 28 x 28 pixels, light on black: node examples/classify_tile.mjs PICTURE
// Needs onnxruntime-node and pngjs.
import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PNG } from "pngjs";

const folder = new URL("../", import.meta.url);
const session = await InferenceSession.create(readFileSync(new URL("model.onnx", folder)));

const { data } = PNG.sync.read(readFileSync(process.argv[2])); // RGBA
const tile = new Uint8Array(28 * 28); // 0 is background
for (let i = 0; i < tile.length; i++) {
  tile[i] = (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 0x8000) >> 16;
}
const [input] = session.inputNames;
const outputs = await session.run({ [input]: new Tensor("uint8", tile, [1, 28, 28]) });
const probabilities = Array.from(outputs[session.outputNames[0]].data);

const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
for (const label of order.slice(0, 3)) { // label 10: not a digit
  console.log(`${label} ${probabilities[label].toFixed(2)}`);
}
