// data: { id, pictures: [{ label, url }], all of one size }
// A press or the space bar changes between the first two pictures; the button lets them change by
// themselves.

const PAUSE = 600; // ms; WCAG 2.3.1 allows three flashes a second, this is less than one
const CLICK = 5; // pixels that a press may move

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const [stage, auto] = [find(".stage"), find(".auto")];
  let scenes = [];
  let labels = [];
  let mode = null;
  let shown = null;
  let held = null;
  let timer = null;
  const view = createView(stage, { moved: (rect) => scenes.forEach((scene) => laid(scene, rect)), one: gesture });
  const modes = createModes(find(".modes"), show);

  function show(name) {
    mode = name;
    scenes.forEach((scene, index) => scene.classList.toggle("shown", labels[index] === name));
    stage.dataset.shown = name;
  }

  const change = () => modes.choose(mode === labels[0] ? labels[1] : labels[0]);

  function flicker(on) {
    clearInterval(timer);
    auto.setAttribute("aria-pressed", on);
    timer = on && setInterval(() => (stage.isConnected ? change() : clearInterval(timer)), PAUSE);
  }

  function press() {
    flicker(false);
    change();
  }

  function gesture(phase, point) {
    if (phase === "down") held = { ...point, moved: 0 };
    if (phase === "move") {
      const [dx, dy] = [point.x - held.x, point.y - held.y];
      view.pan(dx, dy);
      held = { ...point, moved: held.moved + Math.hypot(dx, dy) };
    }
    if (phase === "up" && held.moved < CLICK) press();
  }

  stage.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target !== stage) return;
    event.preventDefault();
    press();
  });
  find(".modes").addEventListener("pointerdown", () => flicker(false));
  auto.onclick = () => flicker(auto.getAttribute("aria-pressed") !== "true");

  async function load({ id, pictures }) {
    shown = id;
    flicker(false);
    const images = await Promise.all(pictures.map(({ url }) => decoded(url)));
    if (id !== shown) return;
    for (const scene of scenes) scene.remove();
    scenes = images.map((image, index) => Object.assign(image, { className: "scene", alt: pictures[index].label, draggable: false }));
    labels = pictures.map(({ label }) => label);
    find(".ambient").after(...scenes);
    ambient(find(".ambient"), images[0]);
    view.show(images[0].naturalWidth, images[0].naturalHeight);
    modes.offer(labels);
    show(labels.includes(mode) ? mode : labels[0]);
    stage.dataset.ready = id;
  }

  return ({ data }) => {
    if (data.id !== shown) load(data);
  };
}
