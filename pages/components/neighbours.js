// data: { id, photo, trimap: data URLs, both null once a pixel was pointed at: an answer is small,
//         telling: [[x, y], …] to begin with and go on to,
//         pixel: [x, y], title, sentence, rings: [name],
//         neighbours: [{ x, y, affinity, ring }] }, all in photo pixels
// state: pixel = [x, y]

const COLOURS = ["#f5a623", "#ffffff"]; // of the rings
const CLICK = 6; // px a finger may move and still point
const AROUND = [9, 26]; // least and most pixels from the chosen one to the edge of the crop
const PATCH = 9; // px of the photo beside each affinity
let kept = {}; // the last photo, which outlives the component

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const [stage, photo, tint, ties, crop] = [".stage", ".photo", ".tint", ".ties", ".crop"].map(find);
  const view = createView(stage, { moved: layout, one: gesture, about: chosen });
  let shown = null;
  let picture = null;
  let data = null;
  let pixel = null; // the one pointed at; data still holds the last until the page has answered
  let lit = null;
  let held = null;
  let tell = () => {};

  function layout(rect) {
    laid(photo, rect);
    laid(tint, rect);
    for (const scene of [photo, tint]) scene.style.imageRendering = rect.scale > 3 ? "pixelated" : "";
    drawTies();
  }

  function gesture(phase, point) {
    if (phase === "down") held = { ...point, far: false };
    else if (phase === "move") {
      held.far ||= Math.hypot(point.x - held.x, point.y - held.y) > CLICK;
      if (!held.far) return;
      view.pan(point.x - held.x, point.y - held.y);
      Object.assign(held, point);
    } else if (phase === "up" && !held.far) pointAt(toPhoto(point));
  }

  function toPhoto({ x, y }) {
    const { left, top, scale } = view.rect;
    return [Math.floor((x - left) / scale), Math.floor((y - top) / scale)];
  }

  function pointAt([x, y]) {
    if (!picture || x < 0 || y < 0 || x >= picture.naturalWidth || y >= picture.naturalHeight) return;
    pixel = [x, y];
    drawTies();
    tell("pixel", pixel);
  }

  const answered = () => data && String(pixel) === String(data.pixel);

  // `at` takes a pixel to its centre on the canvas.
  function tie(context, at, size, strength) {
    const from = at(pixel);
    const each = answered() ? data.neighbours : [];
    context.lineCap = "round";
    for (const dark of [true, false]) {
      each.forEach(({ x, y, affinity, ring }, index) => {
        const to = at([x, y]);
        const bright = lit === index;
        context.globalAlpha = bright ? 1 : lit === null ? 0.25 + 0.75 * affinity : 0.15;
        context.strokeStyle = context.fillStyle = dark ? "rgb(0 0 0 / .6)" : COLOURS[ring];
        context.lineWidth = (0.8 + 2.4 * affinity) * strength + (dark ? 2.5 : 0);
        context.beginPath();
        context.moveTo(...from);
        context.lineTo(...to);
        context.stroke();
        context.beginPath();
        context.arc(...to, size(affinity) + (bright ? 2 : 0) + (dark ? 1.2 : 0), 0, 7);
        context.fill();
      });
    }
    context.globalAlpha = 1;
    for (const [colour, width] of [["rgb(0 0 0 / .7)", 5], ["#fff", 2.5]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.beginPath();
      context.arc(...from, 8, 0, 7);
      context.stroke();
    }
  }

  function sharp(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    return { context, width, height };
  }

  function chosen() {
    const [x, y] = place(pixel);
    return { x, y };
  }

  function place([x, y]) {
    const { left, top, scale } = view.rect;
    return [left + (x + 0.5) * scale, top + (y + 0.5) * scale];
  }

  function drawTies() {
    if (!pixel) return;
    tie(sharp(ties).context, place, (affinity) => 2.5 + 3.5 * affinity, 1);
  }

  // The surroundings just large enough for the first ring.
  function drawCrop() {
    const { context, width, height } = sharp(crop);
    const [x, y] = data.pixel;
    const reach = Math.max(0, ...data.neighbours.filter(({ ring }) => ring === 0)
      .map((near) => Math.max(Math.abs(near.x - x) * height / width, Math.abs(near.y - y))));
    const around = Math.min(AROUND[1], Math.max(AROUND[0], reach + 2)) + 0.5;
    const scale = height / 2 / around;
    const at = ([u, v]) => [width / 2 + (u - x) * scale, height / 2 + (v - y) * scale];
    context.imageSmoothingEnabled = false;
    const [left, top] = at([-0.5, -0.5]);
    context.drawImage(photo, left, top, picture.naturalWidth * scale, picture.naturalHeight * scale);
    tie(context, at, (affinity) => 2 + 3 * affinity, 0.7);
  }

  function drawRings() {
    find(".rings").replaceChildren(...data.rings.flatMap((name, ring) => {
      if (!data.neighbours.length) return [];
      const part = document.createElement("div");
      part.style.setProperty("--colour", COLOURS[ring]);
      const list = document.createElement("ol");
      data.neighbours.forEach((near, index) => { if (near.ring === ring) list.append(row(near, index)); });
      part.append(Object.assign(document.createElement("h4"), { textContent: name }), list);
      return [part];
    }));
  }

  function row({ x, y, affinity }, index) {
    const line = document.createElement("li");
    const patch = Object.assign(document.createElement("canvas"), { width: PATCH, height: PATCH });
    patch.style.imageRendering = "pixelated";
    patch.getContext("2d").drawImage(photo, (PATCH - 1) / 2 - x, (PATCH - 1) / 2 - y);
    const value = Object.assign(document.createElement("span"), { textContent: affinity.toFixed(2) });
    const bar = document.createElement("i");
    bar.style.setProperty("--share", `${affinity * 100}%`);
    line.append(patch, bar, value);
    const light = (on) => () => {
      lit = on ? index : null;
      line.classList.toggle("lit", on);
      drawTies();
      drawCrop();
    };
    line.onpointerenter = light(true);
    line.onpointerleave = light(false);
    return line;
  }

  function answer() {
    pixel = data.pixel;
    lit = null;
    const heading = Object.assign(document.createElement("b"), { textContent: data.title });
    find(".sentence").replaceChildren(heading, data.sentence);
    drawRings();
    drawTies();
    drawCrop();
    stage.dataset.pixel = data.pixel;
  }

  async function load({ id, photo: url, trimap }) {
    if (url) kept = { id, url, trimap };
    if (kept.id !== id) return tell("pixel", null); // the page sends the photo again
    shown = id;
    photo.src = kept.url;
    const [image, values] = await Promise.all([kept.url, kept.trimap].map(decoded));
    await photo.decode();
    if (id !== shown) return;
    picture = image;
    Object.assign(tint, { width: values.naturalWidth, height: values.naturalHeight });
    const context = tint.getContext("2d", { willReadFrequently: true });
    context.drawImage(values, 0, 0);
    const dim = context.getImageData(0, 0, tint.width, tint.height);
    for (let i = 0; i < dim.data.length; i += 4) {
      const known = dim.data[i] === 0 || dim.data[i] === 255;
      dim.data.set([8, 7, 6, known ? 150 : 0], i);
    }
    context.putImageData(dim, 0, 0);
    ambient(find(".ambient"), image);
    view.show(image.naturalWidth, image.naturalHeight);
    answer();
    stage.dataset.ready = id;
  }

  find(".another").onclick = () => {
    const at = data.telling.findIndex((each) => String(each) === String(pixel));
    pointAt(data.telling[(at + 1) % data.telling.length]);
    const [x, y] = place(pixel);
    if (view.rect.zoom > 1.001) view.pan(stage.clientWidth / 2 - x, stage.clientHeight / 2 - y);
  };
  find(".band").onclick = ({ currentTarget }) => {
    const pressed = currentTarget.getAttribute("aria-pressed") !== "true";
    currentTarget.setAttribute("aria-pressed", pressed);
    tint.style.visibility = pressed ? "" : "hidden";
  };
  new ResizeObserver(() => { if (picture) drawCrop(); }).observe(crop);

  return ({ data: fresh, setStateValue }) => {
    tell = setStateValue;
    data = fresh;
    if (fresh.id !== shown) load(fresh);
    else if (picture) answer();
  };
}
