"use strict";
// The curves. `report` is what codec/report/page.py wrote into the page.
const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const INK = "#1c2530", SOFT = "#4d5a68", GRID = "#e6eaee", ACCENT = "#0b6e69";
// As in figure.py: six greys, dark beside light, six dashes; the seventh symbol tells the seventh curve from the first.
const GREYS = ["#242d36", "#8b949d", "#46525d", "#737d87", "#35404a", "#5d6873"];
const DASHES = ["solid", "dash", "dashdot", "dot", "longdash", "longdashdot"];
const SYMBOLS = ["square", "diamond", "triangle-up", "x", "triangle-down", "star", "cross"];
const SOLIDS = ["square", "diamond", "square-open", "circle-open", "diamond-open", "cross"];  // drawn in 3-D as they are named
const turn = (choices, order) => choices[order % choices.length];
const FONT = { family: getComputedStyle(document.body).fontFamily, size: 14, color: SOFT };
const metrics = Object.fromEntries(report.metrics.map((m) => [m.key, m]));
const narrow = () => window.innerWidth < 640;
const plane = report.plane;
const state = { realism: plane ? plane.realisms.length - 1 : 0, hidden: new Set(), surfaceSeen: false };

function number(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
  if (options.length < 2) select.disabled = true;
}

function axis(title, extra) {
  return Object.assign({
    title: { text: title, font: { size: 14, color: INK }, standoff: 12 }, gridcolor: GRID, zeroline: false,
    linecolor: "#8a949e", ticks: "outside", tickcolor: "#8a949e", ticklen: 4, tickfont: { size: 13 }, automargin: true,
  }, extra);
}

function layout(x, y) {
  return {
    font: FONT, paper_bgcolor: "#fff", plot_bgcolor: "#fff", margin: { l: 60, r: 16, t: 16, b: 50 },
    xaxis: x, yaxis: y, hovermode: "closest", dragmode: narrow() ? false : "zoom",
    hoverlabel: { bgcolor: "#fff", bordercolor: "#b8c0c8", font: { size: 13, color: INK, family: FONT.family }, align: "left" },
    showlegend: false,
  };
}

// Which way is better, in the corner of the plot area where curves rarely are.
function direction(metric) {
  const up = metric.higher_is_better;
  return [{
    text: `${up ? "↑" : "↓"} ${metric.better}`, xref: "paper", yref: "paper", x: up ? 0.01 : 0.99, y: 0.99, xanchor: up ? "left" : "right",
    yanchor: "top", showarrow: false, font: { size: 13, color: SOFT },
  }];
}

const SHAPES = {
  circle: '<circle cx="16" cy="6" r="3.6"/>', square: '<rect x="12.6" y="2.6" width="6.8" height="6.8"/>',
  diamond: '<path d="M16 1.4 20.6 6 16 10.6 11.4 6z"/>', "triangle-up": '<path d="M16 1.6 20.4 9.4H11.6z"/>',
  "triangle-down": '<path d="M16 10.4 20.4 2.6H11.6z"/>', x: '<path transform="rotate(45 16 6)" d="M14.6 1.4h2.8v3.2h3.2v2.8h-3.2v3.2h-2.8v-3.2h-3.2v-2.8h3.2z"/>',
  cross: '<path d="M14.6 1.4h2.8v3.2h3.2v2.8h-3.2v3.2h-2.8v-3.2h-3.2v-2.8h3.2z"/>',
  star: '<path d="M16.0 0.9 17.3 4.5 21.1 4.6 18.1 7.0 19.2 10.7 16.0 8.5 12.8 10.7 13.9 7.0 10.9 4.6 14.7 4.5z"/>',
};
const STROKES = { solid: "", dash: "6 4", dashdot: "6 3 1.5 3", longdash: "9 4", dot: "1.5 3", longdashdot: "9 3 1.5 3" };

function swatch(trace) {
  const line = trace.line || {}, marker = trace.marker || {}, [shape, open] = (marker.symbol || "circle").split("-open");
  const colour = line.color || marker.line.color;
  return `<svg width="32" height="12" viewBox="0 0 32 12" aria-hidden="true" stroke="${colour}" stroke-width="${marker.line ? 2 : 1}" fill="${open === undefined ? marker.color || "none" : "#fff"}">` +
    `${line.color ? `<path d="M0 6H32" fill="none" stroke-width="${Math.min(line.width, 2.5)}" stroke-dasharray="${STROKES[line.dash] || ""}"/>` : ""}` +
    `${trace.mode.includes("markers") ? SHAPES[shape] : ""}</svg>`;
}

// The legend is part of the page: it wraps, it is read aloud, and its buttons hide curves.
function legend(id, traces, redraw) {
  const focused = document.activeElement && document.activeElement.dataset.curve;
  byId(id).replaceChildren(...traces.map((trace) => {
    const item = document.createElement(redraw ? "button" : "span");
    item.innerHTML = swatch(trace);
    item.append(trace.name);
    if (!redraw) return item;
    item.type = "button";
    item.dataset.curve = `${id} ${trace.name}`;
    item.setAttribute("aria-pressed", String(!state.hidden.has(trace.name)));
    item.addEventListener("click", () => {
      if (!state.hidden.delete(trace.name)) state.hidden.add(trace.name);
      redraw();
    });
    return item;
  }));
  if (focused) for (const item of byId(id).children) if (item.dataset.curve === focused) item.focus();
}

// The buttons by name: plotly's own choice has one that sends the data away.
function config(...buttons) {
  return { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : "hover", modeBarButtons: [["toImage", ...buttons]] };
}
const FLAT = config("zoom2d", "pan2d", "resetScale2d"), SOLID = config("resetCameraDefault3d");

// Rate axes: logarithmic, ticks at round rates, only as wide as what was measured.
function rateAxis(curves) {
  const rates = curves.flatMap((c) => c.points.map((p) => p.bpp));
  const low = Math.min(...rates) / 1.12, high = Math.max(...rates) * 1.12;
  const ticks = [];
  for (let e = -4; e < 3; e++) for (const m of [1, 2, 5]) ticks.push(m * 10 ** e);
  const shown = ticks.filter((t) => t >= low && t <= high);
  return axis("bits per pixel", {
    type: "log", range: [Math.log10(low), Math.log10(high)], tickvals: shown, ticktext: shown.map((t) => String(+t.toPrecision(1))),
  });
}

function spread(values, share) {
  const low = Math.min(...values), high = Math.max(...values), pad = (high - low || Math.abs(high) || 1) * share;
  return [low - pad, high + pad];
}

// Markers are hollow at realism 0 and full at realism 1: to be told apart in print.
function tint(realism) {
  return `rgb(${[1, 3, 5].map((i) => Math.round(255 - realism * (255 - parseInt(ACCENT.slice(i, i + 2), 16)))).join()})`;
}

function style(curve, order) {
  if (curve.accent) {
    const chosen = !plane || curve.realism === plane.realisms[state.realism];
    return {
      line: { color: ACCENT, width: chosen ? 3 : 1.5 }, opacity: chosen ? 1 : 0.45,
      marker: { color: tint(curve.realism ?? 1), size: chosen ? 8 : 6, symbol: "circle", line: { color: ACCENT, width: 1.5 } },
    };
  }
  const grey = turn(GREYS, order);
  return {
    line: { color: grey, width: 1.75, dash: turn(DASHES, order) },
    marker: { color: grey, size: 7, symbol: turn(SYMBOLS, order) },
  };
}

// A target in bits per pixel that some images miss even at the lowest quality.
function aboveTarget(curve, point) {
  return `${point.over} of ${curve.images} images above the target of ${point.target} bpp`;
}

function curveTraces(key) {
  let order = 0;
  return report.curves.map((curve) => {
    const looks = style(curve, curve.accent ? 0 : order++);
    const points = curve.points.filter((p) => key in p.values);
    const y = points.map((p) => p.values[key]);
    const bars = points.every((p) => p.ci95[key]) ? {
      type: "data", symmetric: false, thickness: 1, width: 3, color: looks.line.color,
      array: points.map((p, i) => p.ci95[key][1] - y[i]), arrayminus: points.map((p, i) => y[i] - p.ci95[key][0]),
    } : undefined;
    return {
      type: "scatter", mode: "lines+markers", name: curve.label, x: points.map((p) => p.bpp), y, error_y: bars, ...looks,
      customdata: points.map((p) => ({ codec: curve.codec, quality: p.quality, realism: p.realism, target: p.target })),
      text: points.map((p) => (p.quality === null ? "" : `, quality ${p.quality}`) + (p.over ? `<br>${aboveTarget(curve, p)}` : "")),
      hovertemplate: `<b>${curve.label}</b>%{text}<br>%{x:.4f} bpp<br>${metrics[key].label} %{y:.${metrics[key].digits}f}` +
        `${metrics[key].unit && ` ${metrics[key].unit}`}<extra></extra>`,
    };
  }).filter((trace) => trace.x.length);
}

function publishedTraces(key) {
  const family = byId("published").value;
  return report.published.filter((p) => p.values[key] && (family === "all" || p.family === family)).map((p, i) => ({
    type: "scatter", mode: "lines+markers", name: p.name, x: p.bpp, y: p.values[key], connectgaps: false,
    line: { color: "#87919b", width: 1, dash: turn(DASHES, i + 1) },
    marker: { color: "#87919b", size: 6, symbol: `${turn(SYMBOLS, i)}-open` },
    hovertemplate: `<b>${p.name}</b>, published<br>%{x:.4f} bpp<br>${metrics[key].label} %{y:.${metrics[key].digits}f}<br>` +
      `${p.source}<extra></extra>`,
  }));
}

function rateChart(prefix, key) {
  const metric = metrics[key], own = curveTraces(key), rates = rateAxis(report.curves);
  const values = report.curves.flatMap((c) => c.points.filter((p) => key in p.values).flatMap((p) => [p.values[key], ...(p.ci95[key] || [])]));
  const range = spread(values, 0.05), inside = (value, [low, high]) => value >= low && value <= high;
  const others = publishedTraces(key).filter((trace) => trace.x.some((x, i) =>
    trace.y[i] !== null && inside(trace.y[i], range) && inside(Math.log10(x), rates.range)));
  const visible = [...others, ...own].filter((trace) => !state.hidden.has(trace.name));
  const shown = layout(rates, axis(metric.axis, { range }));
  shown.annotations = direction(metric);
  Plotly.react(byId(`${prefix}-chart`), visible, shown, FLAT);
  legend(`${prefix}-legend`, [...own, ...others], drawAll);
  byId(`${prefix}-caption`).textContent = [
    `${metric.label} over the rate, for ${own.map((t) => t.name).join("; ")}.`,
    own.some((t) => t.error_y) ? "Bars: 95 % intervals, bootstrap over the images. They are the spread over images: where all codecs are measured " +
      "on the same ones, differences between codecs are more certain than overlapping bars suggest." : "",
    others.length ? "Thin: published by others for the same images and the same metric, not measured here." : "",
    metric.kind === "distortion" && report.elsewhere ? `Published curves that are not drawn, as they are not known to be of the same images: ${report.elsewhere}.` : "",
  ].filter(Boolean).join(" ");
  byId(`${prefix}-values`).replaceChildren(valuesTable(key));
}

function valuesTable(key) {
  const missed = report.curves.some((c) => c.points.some((p) => p.over));
  const rows = report.curves.flatMap((c) => c.points.filter((p) => key in p.values).map((p) => [
    c.label, p.quality === null ? "–" : String(p.quality), number(p.bpp, 4), number(p.values[key], metrics[key].digits),
    p.ci95[key] ? p.ci95[key].map((v) => number(v, metrics[key].digits)).join(" to ") : "–",
    ...(missed ? [p.over ? `${p.over} of ${c.images} (${p.target} bpp)` : p.target === null ? "–" : "none"] : []),
  ]));
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.append(table(`${metrics[key].axis}`, ["Codec", "Quality", "bpp", metrics[key].label, "95 % interval", ...(missed ? ["Images above the target"] : [])], rows));
  return scroll;
}

function table(caption, head, rows, look = () => "") {
  const made = document.createElement("table");
  made.createCaption().textContent = caption;
  const top = made.createTHead().insertRow();
  for (const text of head) top.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
  const body = made.createTBody();
  rows.forEach((row, r) => {
    const line = body.insertRow();
    row.forEach((text, c) => {
      const cell = document.createElement(c ? "td" : "th");
      if (!c) cell.scope = "row";
      cell.className = look(r, c);
      cell.textContent = text;
      line.append(cell);
    });
  });
  return made;
}

// Distortion against perception: a line a rate, and what theory predicts for it beside.
function planeChart(distortion, perception) {
  const d = plane.values[distortion], p = plane.values[perception];
  if (!d || !p) return;
  const theory = distortion === "psnr-rgb" ? plane.theory : null, traces = [];
  plane.qualities.forEach((quality, q) => {
    const rate = `${number(plane.bpp[q][0], 3)} bpp`, bits = { codec: plane.codec, quality, target: plane.targets[q] };
    if (theory && theory[q]) {
      traces.push({
        type: "scatter", mode: "lines", x: theory[q], y: p[q], name: "theory: D_mean + α²·E‖r‖²",
        line: { color: SOFT, width: 1.5, dash: "dot" }, hoverinfo: "skip",
      });
    }
    traces.push({
      type: "scatter", mode: "lines+markers+text", x: d[q], y: p[q], name: "measured",
      line: { color: ACCENT, width: 2, shape: "linear" }, marker: { color: ACCENT, size: 6 },
      text: plane.realisms.map((_, r) => (r === 0 ? `  ${rate}` : "")), textposition: "middle right", textfont: { size: 12, color: SOFT },
      cliponaxis: false, customdata: plane.realisms.map((realism) => ({ ...bits, realism })),
      hovertemplate: plane.realisms.map((realism) => `<b>realism ${realism}</b>, ${rate}<br>${metrics[distortion].label} ` +
        `%{x:.${metrics[distortion].digits}f}<br>${metrics[perception].label} %{y:.${metrics[perception].digits}f}<extra></extra>`),
    });
  });
  const r = state.realism;
  traces.push({
    type: "scatter", mode: "markers", name: `realism ${plane.realisms[r]}`, x: d.map((row) => row[r]), y: p.map((row) => row[r]),
    marker: { color: "#fff", size: 13, line: { color: ACCENT, width: 3 } }, hoverinfo: "skip",
  });
  const all = [...d.flat(), ...(theory || []).flatMap((row) => row || [])], xs = spread(all, 0.06);
  xs[1] += (narrow() ? 0.25 : 0.12) * (xs[1] - xs[0]);  // room for the labels
  const titled = (key) => `${metrics[key].axis}${narrow() && key === perception ? "<br>" : " "}(${metrics[key].better})`;
  const shown = layout(axis(titled(distortion), { range: xs }), axis(titled(perception), { range: spread(p.flat(), 0.08) }));
  Plotly.react(byId("dp-chart"), traces, shown, FLAT);
  legend("dp-legend", traces.filter((trace, i) => traces.findIndex((t) => t.name === trace.name) === i));
  byId("dp-caption").textContent = `${metrics[perception].label} against ${metrics[distortion].label}, ${plane.codec}; ` +
    `a line joins the decodings of the same files at realism ${plane.realisms.join(", ")}.` +
    (theory && theory.some(Boolean) ? " Dotted: where each line would be if the mean image were the true conditional mean: " +
      "squared error D_mean + α²·E‖r‖². E‖r‖² is one of two numbers that are fitted to the " +
      `${plane.realisms.length} values of realism. To its left, realism costs more than that. To its right, the detail also corrects ` +
      "errors of the mean, so the mean image is not the conditional mean. Perfect realism need not cost more than 3.01 dB." : "");
}

function surfaceChart(distortion, perception) {
  const z = plane.values[perception], y = plane.values[distortion], r = state.realism;
  if (!z || !y || !state.surfaceSeen) return;
  const column = (grid) => grid.map((row) => row[r]);
  const traces = [{
    type: "surface", x: plane.bpp, y, z, surfacecolor: plane.qualities.map(() => plane.realisms), showscale: false, opacity: 0.9,
    colorscale: [[0, "#d9e9e7"], [1, ACCENT]], name: plane.codec, lighting: { ambient: 0.85, diffuse: 0.3, specular: 0.02 },
    contours: { x: { highlight: false }, y: { highlight: false }, z: { highlight: false } },
    hovertemplate: `%{x:.3f} bpp<br>${metrics[distortion].label} %{y:.2f}<br>${metrics[perception].label} %{z:.2f}<extra>${plane.codec}</extra>`,
  }, {
    type: "scatter3d", mode: "lines+markers", x: column(plane.bpp), y: column(y), z: column(z), name: `${plane.codec}, realism ${plane.realisms[r]}`,
    line: { color: INK, width: 5 }, marker: { color: INK, size: 3.5 }, hoverinfo: "skip",
  }];
  let order = 0;
  for (const curve of report.curves.filter((c) => !c.accent)) {
    const points = curve.points.filter((p) => distortion in p.values && perception in p.values);
    if (points.length) traces.push({
      type: "scatter3d", mode: "lines+markers", name: curve.label, x: points.map((p) => p.bpp), y: points.map((p) => p.values[distortion]),
      z: points.map((p) => p.values[perception]), line: { color: turn(GREYS, order), width: 4 },
      marker: { size: 4, color: turn(GREYS, order), symbol: turn(SOLIDS, order++) },
      hovertemplate: `${curve.label}<br>%{x:.3f} bpp<br>%{y:.2f}, %{z:.2f}<extra></extra>`,
    });
  }
  const side = (title, extra) => ({
    title: { text: title, font: { size: 13, color: INK } }, gridcolor: "#d5dbe0", zeroline: false, showspikes: false, backgroundcolor: "#fff",
    tickfont: { size: 12, color: SOFT }, ...extra,
  });
  const rates = rateAxis(report.curves);
  const shown = { ...layout(), margin: { l: 0, r: 0, t: 0, b: 0 }, uirevision: "camera" };
  delete shown.xaxis; delete shown.yaxis; delete shown.dragmode;
  shown.scene = {
    xaxis: side("bits per pixel", { type: "log", tickvals: rates.tickvals, ticktext: rates.ticktext }),
    yaxis: side([metrics[distortion].label, metrics[distortion].unit].filter(Boolean).join(", ")),
    zaxis: side(metrics[perception].label.replace(", ", ",<br>")), aspectmode: "manual", aspectratio: { x: 1.3, y: 1.1, z: 0.9 },
    camera: { eye: narrow() ? { x: -1.9, y: -2.2, z: 0.9 } : { x: -1.2, y: -1.4, z: 0.6 }, center: { x: 0, y: 0, z: -0.1 } },
  };
  Plotly.react(byId("surface-chart"), traces, shown, SOLID);
  legend("surface-legend", traces.slice(1));
  byId("surface-caption").textContent = `${plane.codec}: ${plane.qualities.length} rates by ${plane.realisms.length} values of realism ` +
    `(darker is more). The dark line is the realism that the slider chose. ` +
    `Fewer bits, ${[distortion, perception].map((key) => `${metrics[key].better.split(" ")[0]} ${metrics[key].short}`).join(" and ")} are better.`;
}

// A row a metric. Bold is the best only of numbers that most of a curve's range stands behind.
function bdTable(anchor) {
  const curves = report.curves.filter((c) => c.id !== anchor), against = report.curves.find((c) => c.id === anchor), enough = 0.5;
  const keys = report.metrics.map((m) => m.key).filter((key) => curves.some((c) => report.bd[key][anchor][c.id].why !== "no data"));
  const cells = keys.map((key) => curves.map((c) => report.bd[key][anchor][c.id]));
  const text = ({ percent, shared, why }) => (percent === null ? why : `${percent > 0 ? "+" : ""}${number(percent, 1)} %` +
    (shared < enough ? `\n(${Math.max(1, Math.round(100 * shared))} % shared)` : ""));
  const look = (r, c) => {
    if (!r || !c) return "";
    const row = cells[r - 1], cell = row[c - 1], everywhere = row.some((other) => other.why === "better everywhere");
    if (cell.percent === null) return { "better everywhere": "best", "worse everywhere": "" }[cell.why] ?? "little";
    if (cell.shared < enough) return "little";
    const low = Math.min(...row.filter((other) => other.percent !== null && other.shared >= enough).map((other) => other.percent));
    return !everywhere && cell.percent < 0 && cell.percent === low ? "best" : "";
  };
  const rows = [["Points", ...curves.map((c) => String(c.points.length))], ...keys.map((key, i) => [metrics[key].short, ...cells[i].map(text)])];
  byId("bd-table").replaceChildren(table(`Against ${against.label}, ${against.points.length} points`, ["Metric", ...curves.map((c) => c.label)], rows, look));
}

function drawPlanes() {
  if (!plane) return;
  planeChart(byId("rd-metric").value, byId("rp-metric").value);
  surfaceChart(byId("rd-metric").value, byId("rp-metric").value);
}

function drawAll() {
  const perception = byId("rp-metric").value;
  rateChart("rd", byId("rd-metric").value);
  if (perception) rateChart("rp", perception);
  drawPlanes();
}

function start() {
  const of = (kind) => report.metrics.filter((m) => m.kind === kind).map((m) => [m.key, m.label]);
  fill(byId("rd-metric"), of("distortion"));
  fill(byId("rp-metric"), of("perception"));
  for (const id of report.absent) for (const part of [byId(id), document.querySelector(`nav a[href="#${id}"]`)]) part.hidden = true;
  const families = [...new Set(report.published.map((p) => p.family))].sort((a, b) => (b === "generative") - (a === "generative"));
  fill(byId("published"), [...families.map((f) => [f, f]), ["all", "all"], ["none", "none"]], families[0]);
  byId("published").parentElement.hidden = !families.length;
  for (const id of ["rd-metric", "rp-metric", "published"]) byId(id).addEventListener("change", drawAll);
  if (plane) {
    const slider = byId("realism");
    slider.max = plane.realisms.length - 1;
    slider.value = state.realism;
    byId("realism-bar").hidden = false;
    const show = () => {
      state.realism = Number(slider.value);
      const text = String(plane.realisms[state.realism]);
      byId("realism-value").textContent = text;
      slider.setAttribute("aria-valuetext", `realism ${text}`);
      drawAll();
    };
    slider.addEventListener("input", show);
    show();
  } else drawAll();
  // WebGL is slow to start on some machines: the surface is drawn when it comes near.
  if (!report.absent.includes("surface")) new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    state.surfaceSeen = true;
    drawPlanes();
  }, { rootMargin: "200px" }).observe(byId("surface-chart"));
  if (!report.absent.includes("bd-rate")) {
    fill(byId("bd-anchor"), report.curves.map((c) => [c.id, c.label]), report.anchor);
    byId("bd-anchor").addEventListener("change", (event) => bdTable(event.target.value));
    bdTable(report.anchor);
  }
  window.addEventListener("load", () => document.documentElement.setAttribute("data-drawn", "yes"));
}
start();
