// data: { shots: [{ said: what to do until it is taken }], wait: seconds before each }
// trigger: taken = [data URL], one for every shot

const SIZE = { width: { ideal: 1920 }, height: { ideal: 1080 } };
const QUALITY = 0.95;
const HELD = ["exposureMode", "whiteBalanceMode", "focusMode"];

export default mountedOnce(mount);

function mount(root) {
  const find = (selector) => root.querySelector(selector);
  const [view, video, start] = [find(".view"), find("video"), find(".start")];
  const say = (text) => { find(".said").textContent = text; };
  let stream = null;

  async function open() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: SIZE });
    } catch {
      say("No camera: allow this page to use one, or upload two photos.");
      return;
    }
    if (!view.isConnected) return close();
    video.srcObject = stream;
    await video.play();
    say("Put the camera down where it stands still.");
    start.disabled = false;
  }

  function close() {
    for (const track of stream?.getTracks() ?? []) track.stop();
  }

  // What the camera found in the first shot stays for the others, where it can be held.
  async function hold() {
    const [track] = stream.getVideoTracks();
    const can = track.getCapabilities?.() ?? {};
    const manual = HELD.filter((name) => can[name]?.includes("manual")).map((name) => ({ [name]: "manual" }));
    if (manual.length) await track.applyConstraints({ advanced: manual }).catch(() => {});
  }

  async function counted(seconds) {
    for (let left = seconds; left > 0; left -= 1) {
      find(".count").textContent = left;
      await new Promise((done) => setTimeout(done, 1000));
    }
    find(".count").textContent = "";
  }

  function shot() {
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    view.classList.remove("flash");
    void view.offsetWidth; // begins the animation anew
    view.classList.add("flash");
    return canvas.toDataURL("image/jpeg", QUALITY);
  }

  async function take({ shots, wait }, tell) {
    start.disabled = true;
    const taken = [];
    for (const { said } of shots) {
      say(said);
      await counted(wait);
      if (!view.isConnected) return close();
      taken.push(shot());
      await hold();
    }
    say("Taken.");
    tell("taken", taken);
    close();
  }

  open();
  return ({ data, setTriggerValue }) => {
    start.onclick = () => take(data, setTriggerValue);
    return () => setTimeout(() => view.isConnected || close());
  };
}
