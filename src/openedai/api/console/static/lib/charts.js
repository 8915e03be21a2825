// Charts as SVG images, with their numbers in words for those who do not see them.

import { h, svg } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 180;
const LEFT = 46;
const BOTTOM = 24;

// The last values of one quantity as a line without axes. `update(values)` draws it again.
export function sparkline(label, { describe = (value) => String(value) } = {}) {
  const line = svg("polyline", { class: "line", points: "" });
  const area = svg("polygon", { class: "area", points: "" });
  const element = svg(
    "svg",
    { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": label },
    area,
    line,
  );
  const update = (values) => {
    const most = Math.max(...values, 0.001);
    const step = values.length > 1 ? 100 / (values.length - 1) : 100;
    const points = values.map((value, index) => `${(index * step).toFixed(1)},${(28 - (value / most) * 25).toFixed(1)}`);
    line.setAttribute("points", points.join(" "));
    area.setAttribute("points", `0,30 ${points.join(" ")} 100,30`);
    element.setAttribute("aria-label", `${label}: ${describe(values.at(-1) ?? 0)}, at most ${describe(Math.max(0, ...values))}`);
  };
  return { element, update };
}

// Lines over numbers: `series` are {name, points: [[x, y], …]}.
export function lineChart({ title, series, x = String, y = String }) {
  const points = series.flatMap((one) => one.points);
  if (!points.length) return h("p", { class: "empty" }, "No values yet.");
  const [left, right] = range(points.map(([value]) => value));
  const [low, high] = range([0, ...points.map(([, value]) => value)]);
  const across = (value) => LEFT + ((value - left) / (right - left || 1)) * (WIDTH - LEFT - 8);
  const up = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - BOTTOM - 10);
  const lines = series.map((one, index) => [
    svg("polyline", {
      class: `line series-${index % 4}`,
      points: one.points.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join(" "),
    }),
    // A line of one point would not be seen.
    one.points.length === 1 ? [svg("circle", { class: `bar series-${index % 4}`, r: 4, cx: across(one.points[0][0]), cy: up(one.points[0][1]) })] : [],
  ]);
  const ends = [
    mark(LEFT, HEIGHT - 6, x(left), "start"),
    mark(WIDTH - 8, HEIGHT - 6, x(right), "end"),
  ];
  return figure(title, series, [axes(low, high, up, y), lines, ends], (one) => {
    const values = one.points.map(([, value]) => value);
    return `${one.name}: from ${y(values[0])} to ${y(values.at(-1))}, at least ${y(Math.min(...values))}, at most ${y(Math.max(...values))}`;
  });
}

// Bars, those of several series on each other: `bars` are {label, values: [one for each series]}.
export function barChart({ title, names, bars, y = String }) {
  if (!bars.length) return h("p", { class: "empty" }, "No values yet.");
  const sums = bars.map((bar) => bar.values.reduce((sum, value) => sum + value, 0));
  const high = Math.max(...sums, 0.001);
  const room = (WIDTH - LEFT - 8) / bars.length;
  const tall = HEIGHT - BOTTOM - 10;
  const up = (value) => HEIGHT - BOTTOM - (value / high) * tall;
  const every = Math.ceil(bars.length / 8);
  const drawn = bars.flatMap((bar, index) => {
    let below = 0;
    const left = LEFT + index * room;
    const boxes = bar.values.map((value, series) => {
      below += value;
      return svg(
        "rect",
        {
          class: `bar series-${series % 4}`,
          x: (left + room * 0.12).toFixed(1),
          width: (room * 0.76).toFixed(1),
          y: up(below).toFixed(1),
          height: ((value / high) * tall).toFixed(1),
        },
        svg("title", {}, `${bar.label}, ${names[series]}: ${y(value)}`),
      );
    });
    const label = index % every === 0 ? [mark(left + room / 2, HEIGHT - 6, bar.label, "middle")] : [];
    return [...boxes, ...label];
  });
  const series = names.map((name, index) => ({ name, total: bars.reduce((sum, bar) => sum + bar.values[index], 0) }));
  return figure(title, series, [axes(0, high, up, y), drawn], (one) => `${one.name}: ${y(one.total)} in all`);
}

function range(values) {
  return [Math.min(...values), Math.max(...values)];
}

function mark(x, y, text, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, text);
}

function axes(low, high, up, y) {
  return [0, 0.5, 1].flatMap((share) => {
    const value = low + (high - low) * share;
    return [
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - 8, y1: up(value), y2: up(value) }),
      mark(LEFT - 6, up(value) + 4, y(value), "end"),
    ];
  });
}

function figure(title, series, shapes, describe) {
  const image = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}. ${series.map(describe).join(". ")}` },
    shapes.flat(Infinity),
  );
  const legend = h(
    "ul",
    { class: "legend" },
    series.map((one, index) => h("li", {}, h("span", { class: `swatch series-${index % 4}`, "aria-hidden": "true" }), one.name)),
  );
  return h("figure", { class: "chart" }, h("figcaption", {}, title), image, legend);
}
