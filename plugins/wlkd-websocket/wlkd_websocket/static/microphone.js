// The microphone: permission, choice, level, and its sound as WebM/MP4 pieces or raw PCM.

const PIECE_MS = 250;
const CONTAINERS = ["audio/webm;codecs=opus", "audio/webm", "audio/ogg;codecs=opus", "audio/mp4"];

// The model has learned from rooms as they are; what these filters cut out of speech it cannot guess back.
const SOUND = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };

/** Why the microphone cannot be had. `code`: insecure, denied, none, busy or old. */
export class MicrophoneError extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const CODES = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** The container this browser records, or null: then only raw PCM works. */
export function container() {
  if (typeof MediaRecorder === "undefined") return null;
  return CONTAINERS.find((type) => MediaRecorder.isTypeSupported(type)) ?? null;
}

/** Whether the browser lets this page ask for a microphone at all. */
export function mayAsk() {
  return window.isSecureContext && navigator.mediaDevices !== undefined;
}

/** The microphones by name; names are empty until the person has allowed one. */
export async function microphones() {
  if (!mayAsk()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId);
}

export class Microphone {
  #context;
  #source;
  #analyser;
  #samples;
  #stream;

  /** Ask for the microphone. Throws MicrophoneError. */
  static async open(deviceId) {
    if (!mayAsk()) throw new MicrophoneError("insecure");
    if (typeof AudioContext === "undefined") throw new MicrophoneError("old");
    // Not "exact": one that was unplugged since it was chosen gives way to the default one.
    const audio = { ...SOUND, ...(deviceId && { deviceId: { ideal: deviceId } }) };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new MicrophoneError(CODES[error.name] ?? "busy");
    }
    const microphone = new Microphone(stream);
    await microphone.#context.resume(); // Safari starts it suspended
    return microphone;
  }

  constructor(stream) {
    this.#stream = stream;
    this.#context = new AudioContext();
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
  }

  /** Called once when the device disappears. */
  set onlost(callback) {
    this.#stream.getAudioTracks()[0].addEventListener("ended", callback, { once: true });
  }

  /** Loudness now, 0 (-60 dB and below) to 1 (full scale). */
  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, x) => sum + x * x, 0) / this.#samples.length;
    return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-12)) / 60));
  }

  /** Start recording; `onPiece` gets Blobs or ArrayBuffers. Resolves to `stop`, which resolves after the last piece. */
  async record(raw, onPiece) {
    return raw ? this.#recordPcm(onPiece) : this.#recordContainer(onPiece);
  }

  #recordContainer(onPiece) {
    const recorder = new MediaRecorder(this.#stream, { mimeType: container() });
    const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
    recorder.addEventListener("dataavailable", ({ data }) => {
      // An empty message would mean the end.
      if (data.size) onPiece(data);
    });
    recorder.start(PIECE_MS);
    return () => {
      if (recorder.state !== "inactive") recorder.stop();
      return stopped;
    };
  }

  async #recordPcm(onPiece) {
    await this.#context.audioWorklet.addModule(new URL("pcm-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(this.#context, "pcm", { numberOfOutputs: 0 });
    const stopped = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => (data === null ? resolve() : onPiece(data));
    });
    this.#source.connect(node);
    return async () => {
      node.port.postMessage("finish");
      await stopped;
      this.#source.disconnect(node);
    };
  }

  async close() {
    for (const track of this.#stream.getTracks()) track.stop();
    await this.#context.close();
  }
}
