/** Takes photographs with the camera of this device. */

/** Events: `photograph`, whose `detail` is the picture; `failure`, whose `detail` is a message. */
export class Camera extends EventTarget {
  #root;
  #video;
  /** @type {MediaStream | null} */
  #stream = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    super();
    this.#root = root;
    this.#video = root.querySelector("video");
    root.querySelector("#shutter").addEventListener("click", () => this.#shoot());
    root.querySelector("#camera-close").addEventListener("click", () => this.close());
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    // For privacy, the camera is off while the page is hidden.
    document.addEventListener("visibilitychange", () => document.hidden && this.close());
  }

  async open() {
    if (this.#stream !== null) return;
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      this.#stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } },
      });
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failure", { detail: explain(error.name) }));
      return;
    }
    this.#root.hidden = false;
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#root.querySelector("#shutter").focus();
  }

  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#video.srcObject = null;
    this.#root.hidden = true;
  }

  #shoot() {
    const { videoWidth, videoHeight } = this.#video;
    if (!videoWidth) return; // no frame yet
    const canvas = document.createElement("canvas");
    canvas.width = videoWidth;
    canvas.height = videoHeight;
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    canvas.toBlob(
      (detail) => {
        this.close();
        this.dispatchEvent(new CustomEvent("photograph", { detail }));
      },
      "image/jpeg",
      0.92,
    );
  }
}

/** @param {string} name of the browser's exception */
function explain(name) {
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return "No camera was found. Connect one, or choose a picture instead.";
  }
  if (name === "NotAllowedError") {
    return (
      "The camera is not allowed. Allow it in the browser’s settings for this page, " +
      "or choose a picture instead."
    );
  }
  if (name === "SecurityError") {
    return (
      "Browsers allow the camera only on pages from this machine or over HTTPS. " +
      "Choose a picture instead."
    );
  }
  return "The camera is not available; another program may be using it. Choose a picture instead.";
}
