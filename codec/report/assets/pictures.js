"use strict";
// The picture panel: two decodings of one photo with a line between them; and thumbnails on hover.
const gallery = report.gallery;

function describe(version) {
  const parts = [version.codec];
  if (version.quality !== null) parts.push(`quality ${version.quality}`);
  if (version.realism !== null) parts.push(`realism ${version.realism}`);
  if (version.seed !== null) parts.push(`seed ${version.seed}`);
  return parts.join(", ");
}

function measured(version) {
  const parts = [];
  if (version.bytes) parts.push(`${version.bytes.toLocaleString("en")} bytes`, `${number(version.bpp, 3)} bpp`);
  if (version.psnr !== null) parts.push(`PSNR ${number(version.psnr, 2)} dB`);
  return parts.join(", ");
}

// One side's choice: selects for codec, quality, realism, seed; each offers only what there is.
class Side {
  constructor(name, first) {
    this.name = name;
    this.wanted = first;
    this.selects = ["codec", "quality", "realism", "seed"].map((key) => {
      const label = document.createElement("label"), select = document.createElement("select");
      label.append(key[0].toUpperCase() + key.slice(1), select);
      byId(`side-${name}`).append(label);
      select.addEventListener("change", () => {
        this.wanted[key] = JSON.parse(select.value);
        this.show();
      });
      return [key, label, select];
    });
  }

  show() {
    const photo = gallery.photos[Number(byId("picture").value)];
    let left = photo.versions;
    for (const [key, label, select] of this.selects) {
      const values = [...new Set(left.map((v) => v[key]))];
      if (!values.includes(this.wanted[key])) this.wanted[key] = values[0];
      select.disabled = false;
      fill(select, values.map((v) => [JSON.stringify(v), String(v)]), JSON.stringify(this.wanted[key]));
      label.hidden = values.length === 1 && values[0] === null;
      left = left.filter((v) => v[key] === this.wanted[key]);
    }
    const version = left[0], image = byId(`image-${this.name}`);
    image.src = gallery.sources[version.source];
    byId("pictures").style.setProperty("--width", `min(100%, ${photo.width}px, ${(72 * photo.width) / photo.height}vh)`);
    image.width = photo.width;
    image.height = photo.height;
    image.alt = `${photo.file}: ${describe(version)}`;
    byId(`caption-${this.name}`).textContent = [describe(version), measured(version)].filter(Boolean).join(": ");
  }
}

function split(percent) {
  const at = Math.round(Math.min(100, Math.max(0, percent)));
  byId("split").value = at;
  byId("split").setAttribute("aria-valuetext", `${at} percent of the left picture`);
  byId("compare").style.setProperty("--split", `${at}%`);
}

function panel() {
  byId("pictures").hidden = false;
  fill(byId("picture"), gallery.photos.map((p, i) => [String(i), p.file]));
  const sides = [new Side("left", { ...gallery.left }), new Side("right", { ...gallery.right })];
  const show = () => sides.forEach((side) => side.show());
  byId("picture").addEventListener("change", show);
  byId("split").addEventListener("input", (event) => split(Number(event.target.value)));
  const compare = byId("compare");
  const follow = (event) => {
    const box = compare.getBoundingClientRect();
    split((100 * (event.clientX - box.left)) / box.width);
  };
  compare.addEventListener("pointerdown", (event) => {
    compare.setPointerCapture(event.pointerId);
    follow(event);
  });
  compare.addEventListener("pointermove", (event) => event.buttons && follow(event));
  show();
  split(50);
}

// A small picture beside a point of a curve, where the gallery has that codec at that quality.
function thumbnails(id) {
  const chart = byId(id), thumb = byId("thumb");
  if (!chart.on) return;
  chart.on("plotly_hover", ({ points, event }) => {
    const wanted = points[0].customdata, photo = gallery.photos[Number(byId("picture").value)];
    if (!wanted) return;
    const off = (v) => (wanted.target === null ? Math.abs(v.quality - wanted.quality) : Math.abs(Math.log(v.bpp / wanted.target)));
    const near = photo.versions.filter((v) => v.codec === wanted.codec && v.realism === wanted.realism && off(v) < 0.2)
      .sort((a, b) => off(a) - off(b))[0];
    if (!near) return;
    thumb.querySelector("img").src = gallery.sources[near.source];
    thumb.querySelector("p").textContent = `${photo.file}: ${describe(near)}: ${measured(near)}`;
    thumb.hidden = false;
    // below the point, beside plotly's label; above it at the bottom of the window
    const below = event.clientY + 44 + thumb.offsetHeight < window.innerHeight;
    thumb.style.left = `${Math.max(8, Math.min(event.clientX + 12, window.innerWidth - thumb.offsetWidth - 8))}px`;
    thumb.style.top = `${below ? event.clientY + 44 : Math.max(8, event.clientY - 44 - thumb.offsetHeight)}px`;
  });
  chart.on("plotly_unhover", () => { thumb.hidden = true; });
}

if (!gallery) document.querySelector('nav a[href="#pictures"]').hidden = true;
if (gallery) {
  panel();
  ["rd-chart", "rp-chart", "dp-chart"].forEach(thumbnails);
}
