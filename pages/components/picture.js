// data: { id, label, url: data URL of the picture }

const mounted = new WeakMap();

export default function ({ data, parentElement }) {
  if (!mounted.has(parentElement)) mounted.set(parentElement, mount(parentElement));
  mounted.get(parentElement)(data);
}

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const [stage, scene] = [find(".stage"), find(".scene")];
  const view = createView(stage, { moved: layout, one: gesture });
  let shown = null;
  let held = null;

  function layout(rect) {
    laid(scene, rect);
    find("output").textContent = `${rect.zoom < 1.05 ? 1 : rect.zoom.toFixed(1)}×`;
    find(".out").disabled = rect.zoom <= 1.001;
    stage.style.cursor = rect.zoom > 1.001 ? "grab" : "";
  }

  function gesture(phase, point) {
    if (phase === "move") view.pan(point.x - held.x, point.y - held.y);
    held = point;
  }

  zoomTools(stage, view);

  return async ({ id, label, url }) => {
    if (id === shown) return;
    shown = id;
    const image = await decoded(url);
    if (id !== shown) return;
    Object.assign(scene, { src: url, alt: label });
    ambient(find(".ambient"), image);
    view.show(image.naturalWidth, image.naturalHeight);
    stage.dataset.ready = id;
  };
}
