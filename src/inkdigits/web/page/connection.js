/** What every page shows when the service is gone, or requires an API key. */

/** @param {string} id @returns {any} */
const find = (id) => document.getElementById(id);

/**
 * Connects the banner and the dialog of a page with the service.
 * @param {import("./service.js").Service} service
 * @param {() => unknown} refresh called when the service is back
 */
export function followConnection(service, refresh) {
  service.addEventListener("gone", () => {
    find("gone").hidden = false;
  });
  service.addEventListener("back", () => {
    find("gone").hidden = true;
    refresh();
  });
  find("retry").addEventListener("click", () => service.retryNow());
  service.addEventListener("locked", (event) => {
    const { again } = /** @type {CustomEvent} */ (event).detail;
    find("key-message").textContent = again
      ? "The server did not accept this key. Please check it."
      : "This server requires an API key.";
    find("lock").showModal();
  });
  find("lock").addEventListener("close", () => service.cancelKey()); // no effect after a key
  find("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    service.useKey(find("key").value);
    find("lock").close();
  });
}
