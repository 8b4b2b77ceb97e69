/** Numbers and reasons as sentences for people. */

const SHARE = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/**
 * A probability in per cent. It is never rounded to certainty, which no network has.
 * @param {number} share 0 to 1
 */
export function formatShare(share) {
  if (share > 0.9995) return "> 99.9\u202f%";
  return `${SHARE.format(100 * share)}\u202f%`;
}

/** @param {string} moment ISO 8601 */
export function formatMoment(moment) {
  return MOMENT.format(new Date(moment));
}

/**
 * A whole sentence for the reason why nothing, or one place, was not read.
 * @param {string} reason as the service gives it
 */
export function explainReason(reason) {
  if (reason === "no ink") return "Nothing is written here.";
  if (reason === "not a digit: looks like none") return "This does not look like a digit.";
  const doubt = /^too uncertain: (\d) or (\d)$/.exec(reason);
  if (doubt) return `Too uncertain: it could be a ${doubt[1]} or a ${doubt[2]}.`;
  const sentence = reason.replace(/^not a digit: stands/, "It stands");
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

/**
 * What a reading says, as one sentence.
 * @param {import("./service.js").Reading} reading
 */
export function describeReading(reading) {
  if (!reading.text) return explainReason(reading.reason ?? "no ink");
  const text = reading.text.replaceAll("\n", ", ");
  return `Reads ${text}, ${formatShare(reading.confidence)} sure.`;
}

/** @param {number} count @param {string} one @param {string} many */
export function count(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/** A digit's label, or that there is none. @param {string | number | null} label */
export function nameLabel(label) {
  return label === null || label === "" ? "no digit" : String(label);
}
