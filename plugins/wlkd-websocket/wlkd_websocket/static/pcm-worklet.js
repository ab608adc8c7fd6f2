// Runs on the audio thread: the microphone's own rate in, 16-bit 16 kHz mono out, in pieces of 250 ms.

const RATE = 16000;
const PIECE = RATE / 4;
const HALF_WIDTH = 16; // zero crossings of the filter on each side
const CUTOFF = 0.92; // of the lower Nyquist frequency; the rest is the filter's slope

const STEPS = 1024; // of the table, per zero crossing
// Half of a sinc under a Hann window.
const KERNEL = Float32Array.from({ length: HALF_WIDTH * STEPS + 1 }, (_, i) => {
  const x = i / STEPS;
  const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
  return sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / HALF_WIDTH));
});

class PcmProcessor extends AudioWorkletProcessor {
  #step = sampleRate / RATE; // input samples per output sample
  #scale = CUTOFF * Math.min(1, RATE / sampleRate); // filter bandwidth, in input samples
  #reach = Math.ceil(HALF_WIDTH / this.#scale);
  #input = new Float32Array(this.#reach); // leading silence, so that the first sample has neighbours
  #position = this.#reach; // of the next output sample, in #input
  #piece = new Int16Array(PIECE);
  #filled = 0;
  #live = true;

  constructor() {
    super();
    this.port.onmessage = () => this.#finish();
  }

  process(inputs) {
    const channels = inputs[0];
    if (this.#live && channels.length) {
      const mono = new Float32Array(channels[0].length);
      for (const channel of channels) for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / channels.length;
      this.#append(mono);
    }
    return this.#live;
  }

  #append(samples) {
    const input = new Float32Array(this.#input.length + samples.length);
    input.set(this.#input);
    input.set(samples, this.#input.length);
    for (; this.#position + this.#reach < input.length; this.#position += this.#step) {
      this.#put(this.#interpolate(input, this.#position));
    }
    const done = Math.max(0, Math.floor(this.#position) - this.#reach);
    this.#input = input.slice(done);
    this.#position -= done;
  }

  /** Band-limited interpolation around `position`. */
  #interpolate(input, position) {
    let sum = 0;
    for (let i = Math.ceil(position - this.#reach); i <= position + this.#reach; i++) {
      const x = Math.round(Math.abs(i - position) * this.#scale * STEPS);
      if (x < KERNEL.length) sum += input[i] * KERNEL[x];
    }
    return sum * this.#scale;
  }

  #put(sample) {
    this.#piece[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
    if (this.#filled === PIECE) this.#send();
  }

  #send() {
    const piece = this.#piece.slice(0, this.#filled).buffer;
    this.#filled = 0;
    if (piece.byteLength) this.port.postMessage(piece, [piece]);
  }

  #finish() {
    this.#append(new Float32Array(this.#reach + 1)); // what still lies in the filter
    this.#send();
    this.#live = false;
    this.port.postMessage(null);
  }
}

registerProcessor("pcm", PcmProcessor);
