// data: { id, photo, foreground, alpha: data URLs of one size,
//         first: { foreground, alpha } of a cut-out to compare with instead of the photo, or none,
//         labels: what stands before and after,
//         backgrounds: [{ id, label, kind: "transparent" | "colour" | "gradient" | "photo", colours?, url? }],
//         chosen: { id, colours? } to begin with,
//         uploader: CSS selector of the file input behind "Your photo", or null }
// state: background = { id, kind, colours }

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const stage = find(".stage");
  const photo = find(".photo");
  const [cut, first] = [find(".cut"), find(".first")];
  const backdrops = [...root.querySelectorAll(".backdrop")];
  const [before, line, grip] = [find(".before"), find(".line"), find(".grip")];
  const view = createView(stage, { moved: layout, one: gesture });
  let split = 0.5;
  let dragged = null;
  let layers = [];
  let pictures = null;
  let tell = () => {};

  // The slider runs over the part of the picture that the stage shows.
  function span() {
    const { rect } = view;
    const left = Math.max(0, rect.left);
    const top = Math.max(0, rect.top);
    return {
      left, top,
      width: Math.min(stage.clientWidth, rect.left + rect.width) - left,
      height: Math.min(stage.clientHeight, rect.top + rect.height) - top,
    };
  }

  function layout(rect) {
    for (const element of [photo, cut, first, ...backdrops]) laid(element, rect);
    drawSplit();
  }

  function drawSplit() {
    const { left, top, width, height } = span();
    const x = left + split * width;
    before.style.clipPath = `inset(0 ${stage.clientWidth - x}px 0 0)`;
    Object.assign(line.style, { left: `${x}px`, top: `${top}px`, height: `${height}px` });
    Object.assign(grip.style, { left: `${x}px`, top: `${top + height / 2}px` });
    grip.setAttribute("aria-valuenow", Math.round(split * 100));
    find(".tag-before").classList.toggle("gone", split < 0.12);
    find(".tag-after").classList.toggle("gone", split > 0.88);
  }

  function slideTo(share) {
    split = Math.min(1, Math.max(0, share));
    drawSplit();
  }

  function gesture(phase, point, event) {
    const { left, width } = span();
    if (phase === "down") {
      const onLine = Math.abs(point.x - (left + split * width)) < 28;
      dragged = view.rect.zoom > 1.001 && !onLine ? { ...point, pan: true } : { pan: false };
      stage.classList.add(dragged.pan ? "panning" : "sliding");
      if (!dragged.pan) grip.focus({ preventScroll: true });
    }
    if (phase === "up" || phase === "cancel") stage.classList.remove("panning", "sliding");
    else if (dragged.pan) {
      view.pan(point.x - dragged.x, point.y - dragged.y);
      Object.assign(dragged, point);
    } else slideTo((point.x - left) / width);
    event.preventDefault();
  }

  grip.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const to = { ArrowLeft: split - step, ArrowDown: split - step, ArrowRight: split + step, ArrowUp: split + step, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    slideTo(to);
  });
  const showsAlpha = () => find(".alpha").getAttribute("aria-pressed") === "true";

  function showAlpha(shown) {
    find(".alpha").setAttribute("aria-pressed", shown);
    drawCuts();
  }

  find(".alpha").onclick = () => showAlpha(!showsAlpha());

  async function load(data) {
    const { id } = data;
    const another = photo.src !== data.photo;
    pictures = id;
    photo.src = data.photo;
    photo.hidden = Boolean(data.first);
    find(".tag-before").textContent = data.labels[0];
    find(".tag-after").textContent = data.labels[1];
    const mattes = data.first ? [data, data.first] : [data];
    const urls = mattes.flatMap(({ foreground, alpha }) => [foreground, alpha]);
    const [shown, ...parts] = await Promise.all([data.photo, ...urls].map(decoded));
    if (pictures !== id) return;
    const { naturalWidth: width, naturalHeight: height } = parts[1];
    layers = mattes.map((_, index) => ({ canvas: [cut, first][index], ...cutOut(parts[2 * index], parts[2 * index + 1]) }));
    for (const { canvas } of layers) Object.assign(canvas, { width, height });
    ambient(find(".ambient"), shown);
    showAlpha(showsAlpha() || Boolean(data.first));
    if (another) view.show(width, height); // the same photo cut out otherwise stays where it is
    stage.dataset.ready = id;
  }

  function drawCuts() {
    for (const { canvas, cutPixels, alphaPixels } of layers) {
      canvas.getContext("2d").putImageData(showsAlpha() ? alphaPixels : cutPixels, 0, 0);
    }
  }

  const picker = createPicker(find(".picker"), {
    show: (background) => backdrops.forEach((backdrop) => paint(backdrop, background)),
    picked(background) {
      showAlpha(false);
      tell("background", background);
    },
  });

  return ({ data, setStateValue }) => {
    tell = setStateValue;
    if (data.id !== pictures) load(data);
    picker.offer(data);
  };
}
