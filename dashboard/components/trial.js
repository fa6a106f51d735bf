// One rating trial: play a sample, insist on hearing it, take one answer, and not lose it.
//
// Streamlit calls the default export on every rerun with fresh data. The instance below lives as
// long as its trial: a rerun that shows the same trial must not reset what has been heard.
//
// data-state of #trial:  loading -> ready -> playing -> heard -> rated -> saving -> waiting
//                        failed (the sample could not be loaded); tests and styles wait on it.
// All text comes in as data.texts and is set by textContent only.

const RESEND_MS = 3000; // a trigger sent while the connection is down is dropped without a word
const BIN_S = 0.02; // resolution of the map of what has been heard
const CACHED_SAMPLES = 4;
const RELOAD_AFTER = 2; // resends in a row that a living server has not reacted to
const MOST_RELOADS = 3; // for one answer: a server that refuses it must not make the page flicker
const START_DELAY_S = 0.02; // schedule ahead so that the first syllable is not cut

const instances = new WeakMap(); // mount point -> Trial
const buffers = new Map(); // url -> Promise<AudioBuffer>
let context = null;

function audioContext() {
  context ??= new AudioContext({ latencyHint: "interactive" });
  return context;
}

async function fetchBuffer(url) {
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return audioContext().decodeAudioData(await response.arrayBuffer());
}

function loadBuffer(url) {
  if (!buffers.has(url)) {
    const loading = fetchBuffer(url);
    loading.catch(() => buffers.delete(url)); // a failure is tried again, never remembered
    buffers.set(url, loading);
    if (buffers.size > CACHED_SAMPLES) buffers.delete(buffers.keys().next().value);
  }
  return buffers.get(url);
}

// Which parts of a sample have been played, in bins of about BIN_S.
class Heard {
  constructor(duration) {
    this.bins = new Uint8Array(Math.max(1, Math.round(duration / BIN_S)));
    this.width = duration / this.bins.length;
  }
  mark(from, to) {
    // a bin counts if its centre was played: rounding then neither gives nor takes on average
    const first = Math.max(0, Math.ceil(from / this.width - 0.5));
    const last = Math.min(this.bins.length - 1, Math.ceil(to / this.width - 0.5) - 1);
    for (let k = first; k <= last; k++) this.bins[k] = 1;
  }
  get fraction() {
    return this.bins.reduce((sum, bin) => sum + bin, 0) / this.bins.length;
  }
}

// The answer on its way: in localStorage until the server shows another trial.
class Outbox {
  constructor(seat) {
    this.key = `evalsuite-outbox-${seat}`;
  }
  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }
  write(message) {
    try {
      localStorage.setItem(this.key, JSON.stringify(message));
    } catch {
      // private windows may refuse storage: the answer then survives lost lines, not a reload
    }
  }
  clear() {
    try {
      localStorage.removeItem(this.key);
    } catch {
      // as above
    }
  }
}

async function serverAnswers() {
  try {
    return (await fetch("readyz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

// randomUUID exists in secure contexts only; a study may run on plain http in a laboratory.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function dismissDialog() {
  document.querySelector('[data-testid="stDialog"] button')?.click();
}

class Trial {
  constructor(root, data, send) {
    this.root = root;
    this.box = root.querySelector("#trial");
    this.data = data;
    this.send = send;
    this.outbox = new Outbox(data.seat);
    this.buffer = null;
    this.source = null;
    this.heard = null;
    this.score = null;
    this.message = null; // the submitted answer, once there is one
    this.waiting = false;
    this.answered = 0; // times in a row that the server answered without taking the answer
    this.failure = null;
    this.plays = 0;
    this.listened = 0;
    this.hidden = 0;
    this.shownAt = null;
    this.firstPlayAt = null;
    this.listeners = new AbortController();
    this.build();
    this.listen();
    this.resumeOutbox();
    this.load();
  }

  // --- what is on the page --------------------------------------------------------------------

  build() {
    const { texts, scale } = this.data;
    this.box.replaceChildren();
    this.box.dataset.trial = this.data.trial;
    this.box.dataset.url = this.data.url;

    const done = element("div", "done");
    done.setAttribute("aria-hidden", "true");
    const share = element("div", "share");
    share.style.width = `${(100 * (this.data.position - 1)) / this.data.count}%`;
    done.append(share);

    this.play = element("button", "play");
    this.play.type = "button";
    this.play.disabled = true;
    this.playText = element("span", "", texts.play);
    this.play.append(element("span", "icon"), this.playText);
    this.status = element("p", "status");
    this.status.setAttribute("role", "status");
    const bar = element("div", "bar");
    bar.setAttribute("aria-hidden", "true");
    this.fill = element("div", "fill");
    bar.append(this.fill);
    this.again = element("button", "again", texts.retry);
    this.again.type = "button";
    this.again.hidden = true;
    const side = element("div", "side");
    side.append(this.status, bar);
    const transport = element("div", "transport");
    transport.append(this.play, side, this.again);

    this.scale = element("fieldset", "scale");
    this.scale.disabled = true;
    this.scale.append(element("legend", "", this.data.question));
    const options = element("div", "options");
    for (const { value, label } of scale) options.append(this.option(value, label));
    this.scale.append(options);

    this.submit = element("button", "submit", texts.submit);
    this.submit.type = "button";
    this.submit.disabled = true;
    const foot = element("div", "foot");
    foot.append(element("p", "keys", texts.keys), this.submit);

    if (this.data.notice) {
      const notice = element("p", "notice", this.data.notice);
      notice.setAttribute("role", "status");
      this.box.append(notice);
    }
    this.box.append(element("h2", "position", this.data.place), done, transport, this.scale, foot);
    this.show();
  }

  option(value, label) {
    const option = element("label", "option");
    const radio = element("input");
    radio.type = "radio";
    radio.name = "score";
    radio.value = value;
    radio.addEventListener("change", () => this.rate(value));
    option.append(radio, element("span", "value", String(value)), " ", element("span", "", label));
    return option;
  }

  get state() {
    if (this.message) return this.waiting ? "waiting" : "saving";
    if (this.failure) return "failed";
    if (!this.buffer) return "loading";
    if (this.source) return "playing";
    if (!this.unlocked) return "ready";
    return this.score === null ? "heard" : "rated";
  }

  get unlocked() {
    return this.heard !== null && this.heard.fraction >= this.data.required;
  }

  show() {
    const { texts } = this.data;
    const state = this.state;
    const partly = state === "ready" && this.plays > 0;
    const status = partly ? texts.partly : state === "failed" ? this.failure : texts[state];
    // touch the live region on change only, or it is read out again at every frame
    if (this.status.textContent !== status) this.status.textContent = status;
    this.box.dataset.state = state;
    this.box.dataset.plays = this.plays;
    this.box.dataset.heard = this.heard ? this.heard.fraction.toFixed(3) : "0";
    this.play.disabled = !this.buffer || this.message !== null;
    this.playText.textContent = this.source ? texts.stop : texts.play;
    this.again.hidden = state !== "failed";
    this.scale.disabled = !this.unlocked || this.message !== null;
    this.submit.disabled = this.scale.disabled || this.score === null;
  }

  // --- sound ----------------------------------------------------------------------------------

  async load() {
    this.failure = null;
    this.show();
    try {
      const buffer = await loadBuffer(this.data.url);
      if (this.listeners.signal.aborted) return;
      this.buffer = buffer;
      this.heard = new Heard(buffer.duration);
      this.shownAt ??= Date.now();
      this.show();
      this.play.focus({ preventScroll: true });
      for (const url of this.data.preload) loadBuffer(url).catch(() => {});
    } catch (error) {
      if (this.listeners.signal.aborted) return;
      this.failure = `${this.data.texts.failed} (${error.message})`;
      this.show();
    }
  }

  async start() {
    if (!this.buffer || this.source || this.message) return;
    const ctx = audioContext();
    // a promise that never settles (no permission for sound yet) must not block the page
    if (ctx.state !== "running") await ctx.resume();
    if (this.source || this.message) return;
    this.source = ctx.createBufferSource();
    this.source.buffer = this.buffer;
    this.source.connect(ctx.destination);
    this.startedAt = this.markedTo = ctx.currentTime + START_DELAY_S;
    this.source.onended = () => this.finish();
    this.source.start(this.startedAt);
    this.plays += 1;
    this.firstPlayAt ??= Date.now();
    this.show();
    this.frame = requestAnimationFrame(() => this.tick());
  }

  account() {
    const end = this.startedAt + this.buffer.duration;
    const now = Math.min(end, audioContext().currentTime);
    if (now <= this.markedTo) return;
    this.heard.mark(this.markedTo - this.startedAt, now - this.startedAt);
    this.listened += now - this.markedTo;
    this.markedTo = now;
    this.fill.style.width = `${(100 * (now - this.startedAt)) / this.buffer.duration}%`;
  }

  tick() {
    if (!this.source) return;
    this.account();
    this.show();
    this.frame = requestAnimationFrame(() => this.tick());
  }

  finish() {
    if (!this.source) return;
    this.account();
    cancelAnimationFrame(this.frame);
    this.source.onended = null;
    this.source.stop();
    this.source.disconnect();
    this.source = null;
    this.fill.style.width = "0";
    this.show();
  }

  toggle() {
    if (this.source) this.finish();
    else this.start();
  }

  // --- the answer -----------------------------------------------------------------------------

  rate(value) {
    if (this.scale.disabled) return;
    this.score = value;
    this.show();
  }

  choose(value) {
    const radio = this.scale.querySelector(`input[value="${value}"]`);
    if (!radio || this.scale.disabled) return;
    radio.checked = true;
    radio.focus({ preventScroll: true });
    this.rate(Number(value));
  }

  answer() {
    if (this.submit.disabled || this.message) return;
    this.finish();
    this.deliver({
      trial: this.data.trial,
      key: newKey(),
      scores: [this.score],
      telemetry: {
        plays: this.plays,
        heard_fraction: Number(this.heard.fraction.toFixed(4)),
        listened_s: Number(this.listened.toFixed(3)),
        shown_at_ms: this.shownAt,
        first_play_at_ms: this.firstPlayAt,
        submitted_at_ms: Date.now(),
        times_hidden: this.hidden,
        sample_rate: audioContext().sampleRate,
        output_latency_s: audioContext().outputLatency ?? null,
      },
    });
  }

  deliver(message) {
    this.message = message;
    this.outbox.write(message);
    this.send(message);
    this.timer = setInterval(() => this.resend(), RESEND_MS);
    this.show();
  }

  async resend() {
    this.waiting = true;
    this.send(this.message); // the same key: the server stores it once however often it comes
    this.show();
    // After a long outage Streamlit waits up to half a minute before it connects again. A server
    // that answers while nothing moves is reached sooner by a reload; the outbox survives it.
    this.answered = (await serverAnswers()) ? this.answered + 1 : 0;
    const kept = this.outbox.read();
    if (this.answered < RELOAD_AFTER || kept?.key !== this.message.key) return;
    const reloads = (kept.reloads ?? 0) + 1;
    if (reloads > MOST_RELOADS || this.listeners.signal.aborted) return;
    this.outbox.write({ ...kept, reloads });
    location.reload();
  }

  resumeOutbox() {
    const message = this.outbox.read();
    if (!message) return;
    if (message.trial === this.data.trial) this.deliver(message);
    else this.outbox.clear();
  }

  // --- keys and the window --------------------------------------------------------------------

  listen() {
    const { signal } = this.listeners;
    this.play.addEventListener("click", () => this.toggle(), { signal });
    this.submit.addEventListener("click", () => this.answer(), { signal });
    this.again.addEventListener("click", () => this.load(), { signal });
    document.addEventListener("keydown", (event) => this.key(event), { signal, capture: true });
    document.addEventListener("visibilitychange", () => this.visibility(), { signal });
    // Streamlit's "Connection error" dialog makes the page inert until it is dismissed. Listening
    // and answering need no connection, and the status line says what is lost and what is not.
    this.dialogs = new MutationObserver(dismissDialog);
    this.dialogs.observe(document.body, { childList: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = event.composedPath()[0];
    const button = target instanceof HTMLButtonElement;
    // buttons, links and an empty radio keep what these keys mean everywhere else
    if (event.code === "Space" && !button && !(target.type === "radio" && !target.checked)) {
      this.toggle();
    } else if (event.key === "Enter" && !button && !(target instanceof HTMLAnchorElement)) {
      this.answer();
    } else if (/^[0-9]$/.test(event.key)) {
      this.choose(event.key);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  visibility() {
    if (!document.hidden) return;
    this.hidden += 1;
    this.finish(); // what plays in a hidden tab is not listened to
  }

  close() {
    this.finish();
    clearInterval(this.timer);
    this.dialogs.disconnect();
    this.listeners.abort();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const [payload] = data;
  const send = (message) => setTriggerValue("submit", message);
  let trial = instances.get(parentElement);
  if (trial && trial.data.trial === payload.trial && trial.data.seat === payload.seat) {
    trial.data = payload;
    trial.send = send;
  } else {
    trial?.close();
    trial = new Trial(parentElement, payload, send);
    instances.set(parentElement, trial);
  }
  return () => {
    instances.get(parentElement)?.close();
    instances.delete(parentElement);
  };
}
