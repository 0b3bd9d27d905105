// A cut-out, and the picker of what stands behind it; shared by the components that show one.

const PLUS = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 5v14M5 12h14"/></svg>';

const PICKER = `
  <div class="strip" role="radiogroup" aria-label="Background"></div>
  <div class="wells" hidden>
    <label><input type="color" class="top"><span class="top-name">Top</span></label>
    <label class="second"><input type="color" class="bottom"><span>Bottom</span></label>
  </div>`;

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

function paint(element, { kind, colours, url }) {
  element.classList.toggle("checker", kind === "transparent");
  const css = { colour: () => colours[0], gradient: () => `linear-gradient(${colours[0]}, ${colours[1]})` };
  element.style.backgroundColor = kind === "colour" ? css.colour() : "";
  element.style.backgroundImage = kind === "photo" ? `url(${url})` : kind === "gradient" ? css.gradient() : "";
}

// Offers backgrounds, { id, label, kind, colours? | url? }, in a strip, with wells for their colours.
// `show(background)` paints one at once; `picked({ id, kind, colours })` hears what was decided for.
function createPicker(place, { show, picked }) {
  place.innerHTML = PICKER;
  const find = (selector) => place.querySelector(selector);
  const wells = find(".wells");
  let chosen = null;
  let known = null;
  let latest = null;

  function choose(background, report = true) {
    chosen = background;
    show(background);
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
    picked({ id: background.id, kind, colours: colours ?? null });
  }

  // Dragging in the browser's colour dialog repaints at once; the page hears the final colour only.
  for (const well of [find(".top"), find(".bottom")]) {
    const mixed = () => ({ ...chosen, colours: [find(".top").value, find(".bottom").value].slice(0, chosen.colours.length) });
    well.oninput = () => show(mixed());
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

  return {
    offer(data) {
      const ids = data.backgrounds.map(({ id }) => id).join();
      if (ids === latest) return;
      latest = ids;
      const added = known && data.backgrounds.find(({ id }) => !known.has(id));
      known = new Set(data.backgrounds.map(({ id }) => id));
      tiles(data);
      const last = chosen ?? data.chosen;
      const current = data.backgrounds.find(({ id }) => id === last.id) ?? data.backgrounds[0];
      choose(added || { ...current, colours: last.id === current.id ? last.colours : current.colours }, Boolean(added));
    },
  };
}
