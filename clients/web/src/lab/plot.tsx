// Lines over the last minute, as SVG.

import { linePath, niceMax } from "../lib/stats";

const WIDTH = 320;
const HEIGHT = 84;
const POINTS = 60;

interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

export function Plot({
  id,
  title,
  lines,
  least,
  show,
}: {
  id: string;
  title: string;
  lines: readonly Line[];
  least: number;
  show: (value: number) => string;
}) {
  const known = lines.flatMap(({ values }) => values.filter((value) => value !== null));
  const max = niceMax(Math.max(0, ...known), least);
  const last = lines.map(({ name, values }) => `${name} ${values.at(-1) == null ? "unknown" : show(values.at(-1)!)}`);
  return (
    <figure class="plot" id={id}>
      <figcaption>
        <span>{title}</span>
        {lines.length > 1 && (
          <span class="legend" aria-hidden="true">
            {lines.map(({ name }) => (
              <span key={name} class={`key-${name}`}>
                {name}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}, the last minute: ${last.join(", ")}`}
        preserveAspectRatio="none"
      >
        {[0, 0.5, 1].map((share) => (
          <path key={share} class="grid" d={`M0 ${(HEIGHT * share).toFixed(1)}H${WIDTH}`} />
        ))}
        {lines.map(({ name, values }) => {
          const padded = [...Array(Math.max(POINTS - values.length, 0)).fill(null), ...values];
          const path = linePath(padded, max, WIDTH, HEIGHT);
          return (
            <g key={name} class={`line-${name}`}>
              <path class="stroke" d={path} />
            </g>
          );
        })}
      </svg>
      <span class="axis high" aria-hidden="true">
        {show(max)}
      </span>
      <span class="times" aria-hidden="true">
        <span>a minute ago</span>
        <span>now</span>
      </span>
      {known.length === 0 && <span class="plot-empty">Nobody measures yet</span>}
    </figure>
  );
}
