// data: { id, label, url: data URL of the picture }

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const [stage, scene] = [find(".stage"), find(".scene")];
  const view = createView(stage, { moved: (rect) => laid(scene, rect), one: gesture });
  let shown = null;
  let held = null;

  function gesture(phase, point) {
    if (phase === "move") view.pan(point.x - held.x, point.y - held.y);
    held = point;
  }

  async function load({ id, label, url }) {
    shown = id;
    const image = await decoded(url);
    if (id !== shown) return;
    Object.assign(scene, { src: url, alt: label });
    ambient(find(".ambient"), image);
    view.show(image.naturalWidth, image.naturalHeight);
    stage.dataset.ready = id;
  }

  return ({ data }) => {
    if (data.id !== shown) load(data);
  };
}
