/** Formats numbers and reasons for the user. */

const SHARE = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/**
 * Formats a probability in per cent. Never rounds up to 100 %, as no network is certain.
 * @param {number} share 0 to 1
 */
export function formatShare(share) {
  if (share > 0.9995) return ">\u00a099.9\u202f%";
  return `${SHARE.format(100 * share)}\u202f%`;
}

/** @param {string} moment ISO 8601 */
export function formatMoment(moment) {
  return MOMENT.format(new Date(moment));
}

/**
 * Formats the reason why a picture or a digit was not read as a sentence.
 * @param {string} reason from the service
 */
export function explainReason(reason) {
  if (reason === "no ink") return "Nothing is written here.";
  if (reason === "not a digit: looks like none") return "This does not look like a digit.";
  if (reason === "not a digit: other marks only") return "There are marks here, but no digits.";
  const doubt = /^too uncertain: (\d) or (.+)$/.exec(reason);
  if (doubt) return `Too uncertain: it could be ${nameGuess(doubt[1])} or ${nameGuess(doubt[2])}.`;
  const sentence = reason.replace(/^not a digit: part/, "It is part");
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

/**
 * Formats the reason why a digit was not read, with the confidence that it lacks.
 * @param {import("./service.js").Digit} digit that was not read
 * @param {number | null} threshold minimum confidence, 0 to 1; null if it is unknown
 */
export function explainDigit(digit, threshold) {
  const sentence = explainReason(digit.reason);
  if (digit.reason === "not a digit: looks like none") {
    return `${sentence} ${formatShare(digit.class_probabilities.none)} sure.`;
  }
  if (threshold === null || !digit.reason.startsWith("too uncertain")) return sentence;
  const least = `${Math.round(1000 * threshold) / 10}\u202f%`;
  return `${sentence} ${formatShare(digit.confidence)} is below the minimum confidence of ${least}.`;
}

/**
 * Formats a reading as one sentence.
 * @param {import("./service.js").Reading} reading
 */
export function describeReading(reading) {
  if (!reading.text) return explainReason(reading.reason ?? "no ink");
  const text = reading.text.replaceAll("\n", ", ");
  return `Reads ${text}, ${describeSureness(reading)}.`;
}

/**
 * Formats the confidence of a reading and the number of its uncertain digits.
 * @param {import("./service.js").Reading} reading
 */
export function describeSureness(reading) {
  const read = reading.digits.filter((digit) => digit.digit !== null).length;
  const uncertain = reading.digits.filter((digit) => digit.character === "?").length;
  // Less than that of each digit: it is their product.
  const of = read > 1 ? ` of ${read === 2 ? "both" : `all ${read}`} digits together` : "";
  const sure = `${formatShare(reading.confidence)} sure${of}`;
  return uncertain === 0 ? sure : `${sure}, ${count(uncertain, "digit", "digits")} uncertain`;
}

/**
 * Formats a digit and its confidence; for an unread digit, the most likely digit.
 * @param {import("./service.js").Digit} digit
 */
export function describeDigit(digit) {
  if (digit.digit !== null) return `${digit.digit}, ${formatShare(digit.confidence)}`;
  const best = digit.probabilities.indexOf(Math.max(...digit.probabilities));
  const name = digit.character === "?" ? "uncertain digit" : "no digit";
  return `${name}; a ${best} with ${formatShare(digit.confidence)}`;
}

/** @param {string} guess a digit, "none", or a mark with its article */
function nameGuess(guess) {
  if (guess === "none") return "no mark at all";
  return /^\d$/.test(guess) ? `a ${guess}` : guess;
}

/** @param {number} count @param {string} one @param {string} many */
export function count(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/** Returns the name of a label, "no digit" for none. @param {string | number | null} label */
export function nameLabel(label) {
  return label === null || label === "" ? "no digit" : String(label);
}
