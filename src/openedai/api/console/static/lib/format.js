// Numbers, sizes and times as short texts.

const plain = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function number(value) {
  return value === null || value === undefined ? "–" : plain.format(value);
}

export function compact(value) {
  return value === null || value === undefined ? "–" : short.format(value);
}

// Bytes in powers of 1024: "1.5 GiB".
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  let rest = value;
  while (rest >= 1024 && index < units.length - 1) {
    rest /= 1024;
    index += 1;
  }
  const digits = index === 0 || rest >= 100 ? 0 : 1;
  return `${rest.toFixed(digits)} ${units[index]}`;
}

// A span of time in its two largest units: "3 min 20 s".
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const parts = [
    ["d", Math.floor(whole / 86400)],
    ["h", Math.floor(whole / 3600) % 24],
    ["min", Math.floor(whole / 60) % 60],
    ["s", whole % 60],
  ];
  const first = parts.findIndex(([, count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(" ");
}

// Seconds since 1970 as a date and a time of this machine.
export function moment(seconds) {
  return seconds ? new Date(seconds * 1000).toLocaleString() : "–";
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}

export function percent(share) {
  return share > 0 && share < 0.01 ? "<1 %" : `${Math.round(share * 100)} %`;
}

// A name of the API, such as "tokens_per_day", in words.
export function words(name) {
  return name.replaceAll("_", " ");
}
