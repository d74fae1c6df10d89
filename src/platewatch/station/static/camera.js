// The tablet's camera on a page: browsers give its picture only to pages by https and of the machine itself.

/** Shows the camera's picture in a <video> and hands out photographs as files. */
export class Camera {
  constructor(video, onPhotograph) {
    Object.assign(this, { video, onPhotograph, stream: null, number: 0 });
  }

  get running() {
    return this.stream !== null;
  }

  /** Whether the browser gives this page the camera's picture at all. */
  static possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /** Start the camera; an error when a person or the browser refuses it. */
  async start() {
    try {
      const wanted = { facingMode: "environment", width: { ideal: 4096 }, height: { ideal: 4096 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      throw new Error(`the camera cannot be used (${error.message})`);
    }
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  /** Hand out what the camera sees, without loss. */
  take() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    this.number += 1;
    const name = `camera-${Date.now()}-${String(this.number).padStart(3, "0")}.png`;
    canvas.toBlob((blob) => this.onPhotograph(new File([blob], name, { type: "image/png" })), "image/png");
  }
}
