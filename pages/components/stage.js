// Fits a picture into a stage and answers wheel, pinch, keys and pan; shared by the stage components.

const MOST_ZOOM = 10;
const PAGE_SCROLL_PAUSE = 300; // ms after the page itself scrolled in which the wheel keeps scrolling it
let pageScrolled = 0;
window.addEventListener("scroll", () => { pageScrolled = performance.now(); }, { capture: true, passive: true });

// `moved(rect)` is told where the picture lies, in stage pixels; `one(phase, point, event)` gets
// every one-finger or mouse gesture as "down", "move", "up" or, when a second finger lands, "cancel".
// The buttons zoom about `about()`. A stage that is painted on has no full screen and no double click.
function createView(stage, { moved, one, about = () => undefined, paints = false }) {
  const picture = { width: 1, height: 1 };
  const rect = { left: 0, top: 0, scale: 1, width: 0, height: 0, zoom: 1 };
  const fingers = new Map();
  const { out, output, larger } = zoomButtons(stage, paints);
  let pinch = null;
  let gesture = false;

  const fitScale = () => Math.min(stage.clientWidth / picture.width, stage.clientHeight / picture.height) || 1;

  function place(left, top, scale) {
    const width = picture.width * scale;
    const height = picture.height * scale;
    const held = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    Object.assign(rect, {
      scale, width, height,
      left: held(left, width, stage.clientWidth),
      top: held(top, height, stage.clientHeight),
      zoom: scale / fitScale(),
    });
    output.textContent = `${rect.zoom < 1.05 ? 1 : rect.zoom.toFixed(1)}×`;
    out.disabled = rect.zoom <= 1.001;
    stage.classList.toggle("zoomed", rect.zoom > 1.001);
    moved(rect);
  }

  function zoomAt(factor, point = { x: stage.clientWidth / 2, y: stage.clientHeight / 2 }) {
    const fit = fitScale();
    const scale = Math.min(fit * MOST_ZOOM, Math.max(fit, rect.scale * factor));
    const ratio = scale / rect.scale;
    place(point.x - (point.x - rect.left) * ratio, point.y - (point.y - rect.top) * ratio, scale);
  }

  const fit = () => place(0, 0, fitScale());
  const pan = (dx, dy) => place(rect.left + dx, rect.top + dy, rect.scale);

  function pointIn(event) {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left - stage.clientLeft, y: event.clientY - box.top - stage.clientTop };
  }

  function spread() {
    const [a, b] = [...fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button, a, input") || event.button > 1) return;
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, pointIn(event));
    if (fingers.size === 2) {
      if (gesture) one("cancel", pointIn(event), event);
      gesture = false;
      pinch = spread();
    } else if (fingers.size === 1) {
      gesture = true;
      one("down", pointIn(event), event);
    }
  });
  stage.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, pointIn(event));
    if (fingers.size === 2 && pinch) {
      const now = spread();
      pan(now.x - pinch.x, now.y - pinch.y);
      zoomAt(now.apart / pinch.apart, now);
      pinch = now;
    } else if (gesture) one("move", pointIn(event), event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      if (!fingers.delete(event.pointerId)) return;
      pinch = null;
      if (gesture) one(end === "pointerup" ? "up" : "cancel", pointIn(event), event);
      gesture = false;
    });
  }
  stage.addEventListener("wheel", (event) => {
    const outAtFit = event.deltaY > 0 && rect.zoom <= 1.001;
    const scrolling = performance.now() - pageScrolled < PAGE_SCROLL_PAUSE && !event.ctrlKey;
    if (outAtFit || (scrolling && rect.zoom <= 1.001)) return;
    event.preventDefault();
    zoomAt(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), pointIn(event));
  }, { passive: false });
  stage.addEventListener("keydown", (event) => {
    const steps = { "+": 1.4, "=": 1.4, "-": 1 / 1.4 };
    if (event.key === "0") fit();
    else if (steps[event.key]) zoomAt(steps[event.key]);
    else return;
    event.preventDefault();
  });
  larger.onclick = () => zoomAt(1.6, about());
  out.onclick = () => zoomAt(1 / 1.6, about());
  stage.addEventListener("dblclick", (event) => {
    if (paints || event.target.closest("button, .grip")) return;
    if (rect.zoom > 1.01) fit();
    else zoomAt(3, pointIn(event));
  });
  new ResizeObserver(() => {
    const { zoom, left, top } = rect;
    if (zoom > 1.001) place(left, top, fitScale() * zoom);
    else fit();
  }).observe(stage);

  return {
    rect,
    pan,
    follow: (other) => place(other.left, other.top, other.scale),
    show(width, height) {
      Object.assign(picture, { width, height });
      fit();
    },
  };
}

const LINES = { out: "M5 12h14", in: "M5 12h14M12 5v14", full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" };

// Put the buttons for zooming behind what else the stage's toolbar offers.
function zoomButtons(stage, paints) {
  const [out, larger, full] = [["out", "Zoom out"], ["in", "Zoom in"], ["full", "Full screen"]].map(([name, label]) => {
    const button = Object.assign(document.createElement("button"), {
      className: name, innerHTML: `<svg viewBox="0 0 24 24"><path d="${LINES[name]}"/></svg>`,
    });
    button.setAttribute("aria-label", label);
    return button;
  });
  const output = document.createElement("output");
  output.setAttribute("aria-label", "Zoom");
  full.hidden = paints || !stage.requestFullscreen;
  full.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen());
  stage.querySelector(".tools").append(out, output, larger, full);
  return { out, output, larger };
}

function laid(element, rect) {
  Object.assign(element.style, {
    left: `${rect.left}px`, top: `${rect.top}px`, width: `${rect.width}px`, height: `${rect.height}px`,
  });
}

async function decoded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

// The photo itself, blurred and dark, fills the stage behind the picture. Drawn once: a CSS filter
// would be computed again for every movement of the slider.
function ambient(canvas, image) {
  const [tiny, context] = [document.createElement("canvas"), canvas.getContext("2d")];
  Object.assign(tiny, { width: 6, height: 4 });
  tiny.getContext("2d").drawImage(image, 0, 0, 6, 4);
  Object.assign(canvas, { width: 96, height: 64 });
  context.filter = "blur(6px)";
  context.drawImage(tiny, -12, -8, 120, 80);
  context.filter = "none";
  context.fillStyle = "rgb(12 10 8 / .66)";
  context.fillRect(0, 0, 96, 64);
}
