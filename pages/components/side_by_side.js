// data: { id, modes: [name], tiles: [{ id, label, said, views: { mode: { url } | { foreground, alpha } } }],
//         backgrounds, chosen: as for the picker }, all pictures of one size.
// A tile without a view for a mode shows its first one. A new id starts anew, a new tile joins.

const CUT_OUT = "Cut-out"; // the mode in which a background is seen

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  let shown = null;
  let tiles = [];
  let mode = null;
  let background = null;
  let following = false;

  function lead(tile, rect) {
    for (const scene of tile.scenes) laid(scene, rect);
    if (following || !tile.ready) return;
    following = true;
    for (const other of tiles) if (other !== tile && other.ready) other.view.follow(rect);
    following = false;
  }

  function createTile({ id }) {
    const figure = document.createElement("figure");
    figure.innerHTML = `<div class="stage" tabindex="0"><div class="scene backdrop"></div>
      <canvas class="scene cut" role="img"></canvas><img class="scene plain" draggable="false">
      <div class="tools" role="toolbar" aria-label="View"></div></div><figcaption><b></b><span></span></figcaption>`;
    const part = (selector) => figure.querySelector(selector);
    const tile = { id, figure, stage: part(".stage"), backdrop: part(".backdrop"), cut: part(".cut"), plain: part(".plain") };
    tile.scenes = [tile.backdrop, tile.cut, tile.plain];
    let held = null;
    tile.view = createView(tile.stage, {
      moved: (rect) => lead(tile, rect),
      one(phase, point) {
        if (phase === "move") tile.view.pan(point.x - held.x, point.y - held.y);
        held = point;
      },
    });
    return tile;
  }

  async function draw(tile) {
    const names = Object.keys(tile.views);
    const name = names.includes(mode) ? mode : names[0];
    const { url, foreground, alpha } = tile.views[name];
    if (tile.drawn === (url ?? foreground + alpha)) return;
    tile.drawn = url ?? foreground + alpha;
    const wanted = tile.drawn;
    const images = await Promise.all((url ? [url] : [foreground, alpha]).map(decoded));
    if (tile.drawn !== wanted) return;
    const { naturalWidth: width, naturalHeight: height } = images[0];
    tile.plain.hidden = !url;
    tile.cut.hidden = tile.backdrop.hidden = Boolean(url);
    if (url) Object.assign(tile.plain, { src: url, alt: tile.label });
    else {
      Object.assign(tile.cut, { width, height });
      tile.cut.getContext("2d").putImageData(cutOut(...images).cutPixels, 0, 0);
      tile.cut.setAttribute("aria-label", tile.label);
    }
    if (!tile.ready) begin(tile, width, height);
    tile.stage.dataset.ready = name;
  }

  // A tile that joins takes the others' place in the picture.
  function begin(tile, width, height) {
    const other = tiles.find((each) => each.ready);
    following = true;
    tile.view.show(width, height);
    if (other) tile.view.follow(other.view.rect);
    following = false;
    tile.ready = true;
  }

  const modes = createModes(find(".modes"), (name) => {
    mode = name;
    tiles.forEach(draw);
  });

  const picker = createPicker(find(".picker"), {
    show(one) {
      background = one;
      for (const { backdrop } of tiles) paint(backdrop, background);
    },
    picked: () => modes.choose(CUT_OUT),
  });

  return ({ data }) => {
    if (data.id !== shown) tiles = [];
    shown = data.id;
    tiles = data.tiles.map((given) => {
      const tile = tiles.find(({ id }) => id === given.id) ?? createTile(given);
      Object.assign(tile, { label: given.label, views: given.views });
      tile.figure.querySelector("b").textContent = given.label;
      tile.figure.querySelector("span").textContent = given.said;
      tile.stage.setAttribute("aria-label", given.label);
      return tile;
    });
    find(".tiles").replaceChildren(...tiles.map(({ figure }) => figure));
    modes.offer(data.modes);
    picker.offer(data);
    for (const tile of tiles) {
      if (background) paint(tile.backdrop, background);
      draw(tile);
    }
  };
}
