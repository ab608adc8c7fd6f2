// Where sound comes from: a microphone, the sound of a tab or meeting, or both; its level, and its samples.
//
// It is recorded as raw PCM: samples can be counted, so that a recording has one clock, and cut anywhere, so that what
// a broken connection has not settled is sent again on the next one.

/** Samples of a second, as the server takes them. */
export const RATE = 16_000;

/** Values of the choice of a source beside the ids of microphones. */
export const SHARED = "shared";
export const BOTH = "shared+microphone";

// The model has learned from rooms as they are; what these filters cut out of speech it cannot guess back.
const FILTERS = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };

/** Why there is no sound. `code`: insecure, denied, none, busy, old, notLoaded, noOutput, notShared or noSharedSound. */
export class SoundError extends Error {
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

/** Whether the browser lets this page ask for a microphone at all. */
export function mayAsk() {
  return window.isSecureContext && navigator.mediaDevices !== undefined;
}

/** Whether the browser can share the sound of a tab; those of phones cannot. */
export function mayShare() {
  return mayAsk() && navigator.mediaDevices.getDisplayMedia !== undefined;
}

/** The microphones by name; names are empty until the person has allowed one. */
export async function microphones() {
  if (!mayAsk()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId);
}

async function microphone(deviceId) {
  // Not "exact": one that was unplugged since it was chosen gives way to the default one.
  const audio = { ...FILTERS, ...(deviceId && { deviceId: { ideal: deviceId } }) };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new SoundError(CODES[error.name] ?? "busy");
  }
}

async function shared() {
  let stream;
  try {
    // Browsers share sound with a picture only; nobody looks at the picture.
    const video = { width: { max: 320 }, frameRate: { max: 1 } };
    stream = await navigator.mediaDevices.getDisplayMedia({ video, audio: true, systemAudio: "include" });
  } catch (error) {
    throw new SoundError(error.name === "NotAllowedError" ? "notShared" : "busy");
  }
  if (stream.getAudioTracks().length) return stream;
  stop(stream);
  throw new SoundError("noSharedSound");
}

async function streams(source) {
  if (source === SHARED) return [await shared()];
  // Sharing first: browsers allow it right after a click only.
  if (source !== BOTH) return [await microphone(source)];
  const first = await shared();
  try {
    return [first, await microphone("")];
  } catch (error) {
    stop(first);
    throw error;
  }
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

const MAX_RESUME_MS = 5000;
const LAST_PIECE_MS = 1000; // for a recorder that broke to send what it has; one that never began sends nothing

let context = null; // one for all recordings
let users = 0;
let loading = null;

function newContext() {
  const made = new AudioContext();
  made.addEventListener("statechange", goOn);
  document.addEventListener("visibilitychange", goOn);
  return made;
}

/** A phone stops the clock for a call, or behind another app, and does not always start it again. */
function goOn() {
  // Refused as long as the call lasts.
  if (users && context && context.state !== "running") context.resume().catch(() => {});
}

/** Load what recording needs while the server answers: people also press the button when it does not. */
export async function prepare() {
  if (typeof AudioWorkletNode === "undefined") throw new SoundError("old");
  try {
    context ??= newContext();
  } catch {
    throw new SoundError("noOutput"); // other tabs may use all that the browser grants
  }
  loading ??= context.audioWorklet.addModule(new URL("pcm-worklet.js", import.meta.url)).catch(() => {
    loading = null; // the next call tries again
    throw new SoundError("notLoaded");
  });
  await loading;
}

/** The context begins suspended, and Firefox never lets it run on a machine that can play nothing. A phone refuses
 * during a call. */
async function clockRuns() {
  const late = new Promise((_, reject) => setTimeout(reject, MAX_RESUME_MS));
  await Promise.race([context.resume(), late]).catch(refuseContext);
}

/** The next attempt begins with another context: one that a browser has closed never runs again. */
function refuseContext() {
  context.close().catch(() => {});
  context = loading = null;
  throw new SoundError("noOutput");
}

function newRecorder() {
  try {
    return new AudioWorkletNode(context, "pcm", { numberOfOutputs: 0 });
  } catch {
    return refuseContext();
  }
}

export class Sound {
  #mixed;
  #analyser;
  #samples;
  #streams;
  #onlost = () => {};

  /** Ask for the sound of `source`: the id of a microphone (empty: the default one), SHARED or BOTH. Throws SoundError. */
  static async open(source) {
    if (!mayAsk()) throw new SoundError("insecure");
    await prepare();
    const sound = new Sound(await streams(source));
    users++;
    try {
      sound.#connect();
      await clockRuns();
    } catch (error) {
      await sound.close();
      throw error;
    }
    return sound;
  }

  constructor(streams) {
    this.#streams = streams;
    this.#mixed = context.createGain();
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#mixed.connect(this.#analyser);
  }

  #connect() {
    try {
      for (const stream of this.#streams) context.createMediaStreamSource(stream).connect(this.#mixed);
    } catch {
      refuseContext(); // Firefox: the microphone has another sample rate
    }
  }

  /** Called with "gone" when a device disappears, "unshared" when the person stops sharing, "stopped" when the recorder breaks. */
  set onlost(callback) {
    this.#onlost = callback;
    for (const stream of this.#streams) {
      const code = stream.getVideoTracks().length ? "unshared" : "gone";
      for (const track of stream.getAudioTracks()) track.addEventListener("ended", () => callback(code), { once: true });
    }
  }

  /** Loudness now, 0 (-60 dB and below) to 1 (full scale). */
  level() {
    if (context.state !== "running") return 0; // the analyser would repeat what it heard last
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, x) => sum + x * x, 0) / this.#samples.length;
    return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-12)) / 60));
  }

  /**
   * Record: `onPiece` gets Int16Arrays at RATE. Returns `stop`, which resolves after the last piece. Throws SoundError;
   * the devices stay open then, for `close`.
   */
  record(onPiece) {
    const node = newRecorder();
    const stopped = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => (data === null ? resolve() : onPiece(new Int16Array(data)));
      // Not `addEventListener`: Chromium tells only this one.
      node.onprocessorerror = () => {
        setTimeout(resolve, LAST_PIECE_MS);
        this.#onlost("stopped");
      };
    });
    this.#mixed.connect(node);
    const finish = async () => {
      node.port.postMessage("finish");
      await stopped;
      this.#mixed.disconnect(node);
    };
    let finished; // a second call, such as that of a person in a hurry, waits for the first
    return () => (finished ??= finish());
  }

  async close() {
    for (const stream of this.#streams) stop(stream);
    this.#mixed.disconnect();
    if (--users === 0) await context?.suspend();
  }
}
