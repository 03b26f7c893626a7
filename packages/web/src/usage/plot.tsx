/** A plot of one use over the last minutes, with uPlot. Loaded when it is first looked at. */
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { onThemeChange } from "../theme.ts";
import { type Gauge, plotWords, type Sample } from "./samples.ts";

/** Pixels. */
const HEIGHT = 44;

const dataOf = ({ of }: Gauge, samples: readonly Sample[]): uPlot.AlignedData => [
  samples.map(({ at }) => at),
  samples.map(of),
];

/** Canvas takes no variables of CSS: these are what they come to for an element. */
function colorsOf(host: HTMLElement): { readonly line: string; readonly limit: string } {
  const style = getComputedStyle(host);
  return { line: style.color, limit: style.borderTopColor };
}

function draw(host: HTMLElement, { limit }: Gauge, data: uPlot.AlignedData): uPlot {
  const colors = colorsOf(host);
  return new uPlot(
    {
      width: host.clientWidth,
      height: HEIGHT,
      padding: [2, 0, 2, 0],
      cursor: { show: false },
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: false }, y: { range: (_plot, _least, most) => [0, Math.max(limit, most ?? 0)] } },
      series: [{}, { stroke: colors.line, width: 1.5, points: { show: false } }],
      hooks: {
        // What may be used is the upper edge, unless nothing holds it there.
        drawClear: [
          ({ ctx, bbox }) => {
            // uPlot remembers what it has set, and sets no colour again that it thinks is there.
            ctx.save();
            ctx.strokeStyle = colors.limit;
            ctx.strokeRect(bbox.left, bbox.top, bbox.width, bbox.height);
            ctx.restore();
          },
        ],
      },
    },
    data,
    host,
  );
}

export const Plot = ({ gauge, samples }: { readonly gauge: Gauge; readonly samples: readonly Sample[] }) => {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef({ gauge, samples });
  shown.current = { gauge, samples };
  const { limit } = gauge;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another limit is another scale.
  useEffect(() => {
    const begin = (): void => {
      plot.current?.destroy();
      const { gauge: now, samples: known } = shown.current;
      plot.current = host.current === null ? null : draw(host.current, now, dataOf(now, known));
    };
    begin();
    const end = onThemeChange(begin);
    return () => {
      end();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [limit]);
  useEffect(() => {
    plot.current?.setData(dataOf(gauge, samples));
  }, [gauge, samples]);
  return (
    <div
      ref={host}
      role="img"
      aria-label={plotWords(gauge, samples)}
      data-samples={samples.length}
      className="border-border text-accent"
      style={{ height: HEIGHT }}
    />
  );
};
