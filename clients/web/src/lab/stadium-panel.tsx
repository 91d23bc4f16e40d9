// The stadium: a slider for simulated viewers, and what they measure.

import { bytes, ms } from "../lib/format";
import { useStore } from "../lib/store";
import { Plot } from "./plot";
import { MOST_VIEWERS, type Stadium } from "./stadium";

const SEATS = [0, 10, 50, 100, MOST_VIEWERS];

export function StadiumPanel({ stadium }: { stadium: Stadium }) {
  const { wanted, open, failed } = useStore(stadium.counts);
  const figures = useStore(stadium.figures);
  const points = useStore(stadium.points);
  return (
    <div id="stadium">
      <h2>Fill the stands</h2>
      <p class="hint">Each viewer is a connection of its own, opened by this browser. All see every move.</p>
      <div class="slider">
        <label for="viewers-wanted">Viewers</label>
        <output for="viewers-wanted" class="figure">
          {wanted}
        </output>
        <input
          id="viewers-wanted"
          type="range"
          min={0}
          max={MOST_VIEWERS}
          step={5}
          value={wanted}
          onInput={(event) => stadium.want(Number(event.currentTarget.value))}
        />
      </div>
      <div class="quick" role="group" aria-label="Number of viewers">
        {SEATS.map((seats) => (
          <button
            key={seats}
            type="button"
            class="button small"
            aria-pressed={wanted === seats}
            onClick={() => stadium.want(seats)}
          >
            {seats}
          </button>
        ))}
      </div>
      <p class="meter" role="status">
        <span class="figure" id="viewers-open">
          {open}
        </span>{" "}
        of {wanted} connected
        {failed > 0 && <span class="problem"> · {failed} refused by the server</span>}
      </p>
      <dl class="figures">
        <div>
          <dt>p50</dt>
          <dd id="p50">{ms(figures?.p50)}</dd>
        </div>
        <div>
          <dt>p99</dt>
          <dd id="p99">{ms(figures?.p99)}</dd>
        </div>
        <div>
          <dt>received</dt>
          <dd id="bytes">{figures ? `${bytes(figures.bytesPerS)}/s` : "–"}</dd>
        </div>
        <div>
          <dt>messages</dt>
          <dd>{figures ? `${Math.round(figures.messagesPerS)}/s` : "–"}</dd>
        </div>
      </dl>
      <Plot
        id="latency-plot"
        title="Round trip to the server"
        lines={[
          { name: "p50", values: points.map(({ p50 }) => p50) },
          { name: "p99", values: points.map(({ p99 }) => p99) },
        ]}
        least={5}
        show={ms}
      />
      <Plot
        id="bytes-plot"
        title="Bytes per second, all viewers"
        lines={[{ name: "received", values: points.map(({ bytesPerS }) => bytesPerS) }]}
        least={1_000}
        show={(value) => `${bytes(value)}/s`}
      />
      <p class="hint">
        {figures?.spreadMs === null || figures?.spreadMs === undefined
          ? "Make a move to see how long it takes from the first viewer to the last."
          : `The last move took ${ms(figures.spreadMs)} from the first viewer to the last, in this browser.`}
      </p>
    </div>
  );
}
