// The level check: plays a test signal in a loop until the listener has set the volume.
// Its first click is also what allows the page to make sound (browsers' autoplay rules).
//
// data-state of #level:  loading -> ready -> playing -> done -> waiting;  failed

const RESEND_MS = 3000; // a trigger sent while the connection is down is dropped without a word
const LEAST_S = 1; // shorter than this nobody can have set a volume

const instances = new WeakMap();

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

class LevelCheck {
  constructor(root, data, send) {
    this.box = root.querySelector("#level");
    this.data = data;
    this.send = send;
    this.played = 0;
    this.state = "loading";
    const { texts } = data;
    this.box.replaceChildren();
    this.play = element("button", "play", texts.play);
    this.status = element("p", "status");
    this.status.setAttribute("role", "status");
    this.confirm = element("button", "confirm", texts.confirm);
    this.play.type = this.confirm.type = "button";
    const row = element("div", "row");
    row.append(this.play, this.status);
    this.box.append(row, this.confirm);
    this.audio = new Audio();
    this.audio.loop = true;
    this.audio.preload = "auto";
    this.audio.addEventListener("canplaythrough", () => this.loaded());
    this.audio.addEventListener("error", () => this.show("failed"));
    this.play.addEventListener("click", () => this.toggle());
    this.confirm.addEventListener("click", () => this.done());
    this.show("loading");
    this.audio.src = data.url;
  }

  show(state) {
    const { texts } = this.data;
    this.state = state;
    this.box.dataset.state = state;
    if (this.status.textContent !== texts[state]) this.status.textContent = texts[state];
    this.play.textContent = state === "playing" ? texts.stop : texts.play;
    this.play.disabled = !["ready", "playing", "failed"].includes(state);
    this.confirm.disabled = this.heard < LEAST_S || !["ready", "playing"].includes(state);
  }

  get heard() {
    const now = this.startedAt ? (performance.now() - this.startedAt) / 1000 : 0;
    return this.played + now;
  }

  loaded() {
    if (this.state !== "loading") return;
    this.show("ready");
    this.play.focus({ preventScroll: true });
  }

  async toggle() {
    if (this.state === "playing") return this.stop();
    try {
      if (this.state === "failed") this.audio.load();
      await this.audio.play();
    } catch {
      return this.show("failed");
    }
    this.startedAt = performance.now();
    this.show("playing");
    this.timer = setInterval(() => this.show("playing"), 200);
  }

  stop() {
    clearInterval(this.timer);
    this.audio.pause();
    this.played = this.heard;
    this.startedAt = 0;
    if (this.state === "playing") this.show("ready");
  }

  done() {
    if (this.confirm.disabled) return;
    this.stop();
    this.show("done");
    const message = { heard_s: Number(this.played.toFixed(1)) };
    this.send(message);
    this.timer = setInterval(() => {
      this.send(message);
      this.show("waiting");
    }, RESEND_MS);
  }

  close() {
    clearInterval(this.timer);
    this.audio.pause();
    this.audio.removeAttribute("src");
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const [payload] = data;
  const send = (message) => setTriggerValue("confirm", message);
  const check = instances.get(parentElement);
  if (check) check.send = send;
  else instances.set(parentElement, new LevelCheck(parentElement, payload, send));
  return () => {
    instances.get(parentElement)?.close();
    instances.delete(parentElement);
  };
}
