/** The microphone: asks for it, keeps it, and gives 40 ms blocks of 16 kHz samples with their loudness. */

// Noise is left in: the service hears through it better than through what a suppressor makes of words.
const CONSTRAINTS = { echoCancellation: true, noiseSuppression: false, autoGainControl: true, channelCount: 1 };
const WORKLET = new URL('./capture.worklet.js', import.meta.url);

/** Why there is no microphone: `kind` is missing, refused, busy, insecure or unknown. */
export class NoMicrophone extends Error {
  constructor(kind, cause) {
    super(`no microphone: ${kind}`, { cause });
    this.kind = kind;
  }
}

const KINDS = {
  NotFoundError: 'missing',
  OverconstrainedError: 'missing',
  NotAllowedError: 'refused',
  SecurityError: 'refused',
  NotReadableError: 'busy',
  AbortError: 'busy',
};

export class Microphone {
  /** `context` is a running AudioContext; `onblock({samples, rms})` gets every block, silence while muted. */
  constructor(context, onblock) {
    this.context = context;
    this.onblock = onblock;
    this.onlost = () => {};
    this.muted = false;
    this.device = '';
    this.stream = null;
    this.node = null;
  }

  /** Opens the device, or another one in its place; NoMicrophone where that cannot be. */
  async open(device = this.device) {
    if (!navigator.mediaDevices?.getUserMedia) throw new NoMicrophone('insecure');
    const asked = device ? { ...CONSTRAINTS, deviceId: { exact: device } } : CONSTRAINTS;
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: asked });
    } catch (error) {
      throw new NoMicrophone(KINDS[error.name] ?? 'unknown', error);
    }
    await this.context.audioWorklet.addModule(WORKLET);
    this.close();
    this.device = device;
    this.stream = stream;
    const [track] = stream.getAudioTracks();
    track.enabled = !this.muted;
    track.onended = () => this.onlost();
    this.source = this.context.createMediaStreamSource(stream);
    this.node = new AudioWorkletNode(this.context, 'capture', { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.onblock(data);
    this.source.connect(this.node);
  }

  /** Lets nothing through but silence, or everything again. */
  mute(muted) {
    this.muted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Lets go of the device. */
  close() {
    this.source?.disconnect();
    this.node?.port.postMessage('end');
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.stream = this.source = this.node = null;
  }
}

/** Lists the devices of a kind, `audioinput` or `audiooutput`, as `{id, label}`; empty where none may be known. */
export async function devices(kind) {
  const found = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return found
    .filter((device) => device.kind === kind && device.deviceId && device.deviceId !== 'default')
    .map((device, index) => ({ id: device.deviceId, label: device.label || `Device ${index + 1}` }));
}
