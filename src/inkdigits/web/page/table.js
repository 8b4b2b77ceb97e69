/** Writes tables as CSV files, and saves files. */

/**
 * Formats a table as CSV (RFC 4180).
 * @param {(string | number)[][]} rows
 */
export function formatCsv(rows) {
  return rows.map((row) => `${row.map(formatCell).join(",")}\r\n`).join("");
}

/** @param {string | number} value */
function formatCell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Makes the browser save a file.
 * @param {string} name
 * @param {Blob} blob
 */
export function saveFile(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // by then the browser has read it
}
