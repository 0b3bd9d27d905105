// data: { id, photo, foreground, alpha: data URLs of one size,
//         first: { foreground, alpha } of a cut-out to compare with instead of the photo, or none,
//         labels: what stands before and after,
//         backgrounds: [{ id, label, kind: "transparent" | "colour" | "gradient" | "photo", colours?, url? }],
//         chosen: { id, colours? } to begin with,
//         uploader: CSS selector of the file input behind "Your photo", or null }
// state: background = { id, kind, colours }

const PLUS = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M5 12h14"/></svg>';

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const stage = find(".stage");
  const photo = find(".photo");
  const [cut, first] = [find(".cut"), find(".first")];
  const backdrops = [...root.querySelectorAll(".backdrop")];
  const [before, line, grip] = [find(".before"), find(".line"), find(".grip")];
  const wells = find(".wells");
  const view = createView(stage, { moved: layout, one: gesture });
  let split = 0.5;
  let dragged = null;
  let layers = [];
  let pictures = null;
  let chosen = null;
  let known = null;
  let latest = null;
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
    view.show(width, height);
    stage.dataset.ready = id;
  }

  // The PNG's grey becomes the foreground's opacity; done once, the browser blends from then on.
  function cutOut(colours, matte) {
    const draw = (image) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: matte.naturalWidth, height: matte.naturalHeight });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      return context.getImageData(0, 0, canvas.width, canvas.height);
    };
    const cutPixels = draw(colours);
    const alphaPixels = draw(matte);
    for (let i = 0; i < cutPixels.data.length; i += 4) cutPixels.data[i + 3] = alphaPixels.data[i];
    return { cutPixels, alphaPixels };
  }

  function drawCuts() {
    for (const { canvas, cutPixels, alphaPixels } of layers) {
      canvas.getContext("2d").putImageData(showsAlpha() ? alphaPixels : cutPixels, 0, 0);
    }
  }

  function paint(element, { kind, colours, url }) {
    element.classList.toggle("checker", kind === "transparent");
    const css = { colour: () => colours[0], gradient: () => `linear-gradient(${colours[0]}, ${colours[1]})` };
    element.style.backgroundColor = kind === "colour" ? css.colour() : "";
    element.style.backgroundImage = kind === "photo" ? `url(${url})` : kind === "gradient" ? css.gradient() : "";
  }

  function choose(background, report = true) {
    chosen = background;
    for (const backdrop of backdrops) paint(backdrop, background);
    for (const tile of find(".strip").querySelectorAll("[role=radio]")) {
      const checked = tile.dataset.id === background.id;
      tile.setAttribute("aria-checked", checked);
      tile.tabIndex = checked ? 0 : -1;
    }
    const { kind, colours } = background;
    wells.hidden = kind !== "colour" && kind !== "gradient";
    if (!wells.hidden) {
      find(".top").value = colours[0];
      find(".bottom").value = colours[1] ?? colours[0];
      find(".second").hidden = kind !== "gradient";
      find(".top-name").textContent = kind === "gradient" ? "Top" : "Colour";
    }
    if (!report) return;
    showAlpha(false);
    tell("background", { id: background.id, kind, colours: colours ?? null });
  }

  // Dragging in the browser's colour dialog repaints at once; the page hears the final colour only.
  for (const well of [find(".top"), find(".bottom")]) {
    const mixed = () => ({ ...chosen, colours: [find(".top").value, find(".bottom").value].slice(0, chosen.colours.length) });
    well.oninput = () => backdrops.forEach((backdrop) => paint(backdrop, mixed()));
    well.onchange = () => choose(mixed());
  }

  function tiles({ backgrounds, uploader }) {
    const strip = find(".strip");
    strip.replaceChildren();
    strip.hidden = backgrounds.length < 2;
    backgrounds.forEach((background, index) => {
      if (index && background.kind !== backgrounds[index - 1].kind) strip.append(document.createElement("i"));
      const tile = document.createElement("button");
      Object.assign(tile, { title: background.label });
      tile.setAttribute("role", "radio");
      tile.setAttribute("aria-label", background.label);
      tile.dataset.id = background.id;
      paint(tile, background);
      tile.onclick = () => choose(background);
      strip.append(tile);
    });
    if (!uploader) return;
    const own = Object.assign(document.createElement("button"), { className: "own", title: "Your own photo", innerHTML: PLUS });
    own.setAttribute("aria-label", own.title);
    own.onclick = () => document.querySelector(uploader)?.click();
    strip.append(own);
  }

  find(".strip").addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !event.target.matches("[role=radio]")) return;
    event.preventDefault();
    const all = [...find(".strip").querySelectorAll("[role=radio]")];
    const next = all[(all.indexOf(event.target) + move + all.length) % all.length];
    next.focus();
    next.click();
  });

  return ({ data, setStateValue }) => {
    tell = setStateValue;
    if (data.id !== pictures) load(data);
    const ids = data.backgrounds.map(({ id }) => id).join();
    if (ids !== latest) {
      latest = ids;
      const added = known && data.backgrounds.find(({ id }) => !known.has(id));
      known = new Set(data.backgrounds.map(({ id }) => id));
      tiles(data);
      const last = chosen ?? data.chosen;
      const current = data.backgrounds.find(({ id }) => id === last.id) ?? data.backgrounds[0];
      choose(added || { ...current, colours: last.id === current.id ? last.colours : current.colours }, Boolean(added));
    }
  };
}
