// data: { id, width, height of the photo, photo, trimap: data URLs of one size, done: label }
// trigger: solve = [{ mark: "keep" | "erase" | "unknown", radius, points: [[x, y], …] }] in photo pixels

const TINTS = { keep: null, erase: [8, 7, 6, 205], unknown: [245, 166, 35, 150] };

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const [stage, photo, tint, ring, size] = [".stage", ".photo", ".tint", ".ring", ".size input"].map(find);
  const view = createView(stage, { moved: layout, one: gesture, paints: true });
  const settled = document.createElement("canvas"); // the tint with every finished stroke
  let trimap = null;
  let photoWidth = 1;
  let strokes = [];
  let current = null;
  let mark = "keep";
  let shown = null;
  let send = () => {};

  const diameter = () => 4 + (size.value / 100) ** 1.6 * 180; // on screen, so that zooming in paints finer

  function layout(rect) {
    laid(photo, rect);
    laid(tint, rect);
  }

  function toPhoto({ x, y }) {
    const pixels = photoWidth / view.rect.width;
    return [(x - view.rect.left) * pixels, (y - view.rect.top) * pixels];
  }

  function stamp(context, stroke) {
    const scale = tint.width / photoWidth;
    const path = new Path2D();
    const [first, ...rest] = stroke.points.map(([x, y]) => [x * scale, y * scale]);
    path.moveTo(...first);
    for (const point of rest.length ? rest : [first]) path.lineTo(...point);
    Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: 2 * stroke.radius * scale });
    context.globalCompositeOperation = "destination-out";
    context.strokeStyle = "#000";
    context.stroke(path);
    const colour = TINTS[stroke.mark];
    if (!colour) return;
    context.globalCompositeOperation = "source-over";
    context.strokeStyle = `rgb(${colour[0]} ${colour[1]} ${colour[2]} / ${colour[3] / 255})`;
    context.stroke(path);
  }

  function redraw() {
    const context = tint.getContext("2d");
    context.globalCompositeOperation = "copy";
    context.drawImage(settled, 0, 0);
    if (current) stamp(context, current);
  }

  function settle() {
    const context = settled.getContext("2d");
    context.putImageData(trimap, 0, 0);
    for (const stroke of strokes) stamp(context, stroke);
    redraw();
    find(".undo").disabled = !strokes.length;
    stage.dataset.strokes = strokes.length;
  }

  function showRing({ x, y }) {
    Object.assign(ring.style, { left: `${x}px`, top: `${y}px`, width: `${diameter()}px`, height: `${diameter()}px` });
    ring.dataset.mark = mark;
    ring.classList.add("on");
  }

  function gesture(phase, point, event) {
    event.preventDefault();
    showRing(point);
    if (phase === "down") {
      const radius = (diameter() / 2) * (photoWidth / view.rect.width);
      current = { mark, radius, points: [toPhoto(point)] };
    } else if (phase === "move") current?.points.push(toPhoto(point));
    else {
      if (phase === "up" && current) strokes.push(current);
      current = null;
      settle();
      return;
    }
    redraw();
  }

  function pick(name) {
    mark = name;
    for (const button of find(".marks").children) {
      const checked = button.dataset.mark === name;
      button.setAttribute("aria-checked", checked);
      button.tabIndex = checked ? 0 : -1;
    }
  }

  function undo() {
    strokes.pop();
    settle();
  }

  for (const button of find(".marks").children) button.onclick = () => pick(button.dataset.mark);
  find(".marks").addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const all = [...find(".marks").children];
    const next = all[(all.indexOf(event.target) + move + all.length) % all.length];
    pick(next.dataset.mark);
    next.focus();
  });
  stage.addEventListener("keydown", (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && strokes.length) undo();
  });
  stage.addEventListener("pointermove", (event) => {
    const box = stage.getBoundingClientRect();
    if (event.pointerType === "mouse") showRing({ x: event.clientX - box.left, y: event.clientY - box.top });
  });
  stage.addEventListener("pointerleave", () => ring.classList.remove("on"));
  find(".undo").onclick = undo;
  find(".solve").onclick = () => send("solve", strokes);
  pick("keep");

  async function load(data) {
    photo.src = data.photo;
    const [picture, values] = await Promise.all([data.photo, data.trimap].map(decoded));
    if (shown !== data.id) return;
    photoWidth = data.width;
    for (const canvas of [tint, settled]) Object.assign(canvas, { width: values.naturalWidth, height: values.naturalHeight });
    const context = settled.getContext("2d", { willReadFrequently: true });
    context.drawImage(values, 0, 0);
    trimap = context.getImageData(0, 0, settled.width, settled.height);
    for (let i = 0; i < trimap.data.length; i += 4) {
      const name = { 0: "erase", 255: "keep" }[trimap.data[i]] ?? "unknown";
      trimap.data.set(TINTS[name] ?? [0, 0, 0, 0], i);
    }
    strokes = [];
    settle();
    ambient(find(".ambient"), picture);
    view.show(data.width, data.height);
    stage.dataset.ready = data.id;
  }

  return ({ data, setTriggerValue }) => {
    send = setTriggerValue;
    find(".solve").textContent = data.done;
    if (data.id === shown) return;
    shown = data.id;
    load(data);
  };
}
