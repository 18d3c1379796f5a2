import { useEffect, useRef, useState } from "react";
import { Button } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import { type Live, shoot, useCamera, useTracking } from "../core/camera";
import { STROKES } from "../core/handles";
import type { Domain } from "../core/types";
import { useWords } from "../language";
import { Lens } from "./Icons";

const COUNT_FROM = 3;

/** The camera as a mirror, with the points found on the face, hints, and a photo after a countdown. */
export function Camera() {
  const { state, api, give, go, fail } = useAdviser();
  const words = useWords().camera;
  const video = useRef<HTMLVideoElement>(null);
  const running = useCamera(video, fail);
  const live = useTracking(video, api, running, fail);
  const [left, setLeft] = useState<number | null>(null);

  useEffect(() => {
    if (left === null) return undefined;
    const timer = window.setTimeout(() => {
      if (left > 1) setLeft(left - 1);
      else if (video.current) shoot(video.current).then((photo) => give([photo]), fail);
    }, 1000);
    return () => window.clearTimeout(timer);
    // eslint-disable-next-line -- one second for every number
  }, [left]);

  return (
    <div className="camera">
      <h1>{words.heading}</h1>
      <div className="mirror">
        <video ref={video} muted playsInline aria-label={words.live} />
        <Overlay live={live} domains={state.options?.domains ?? []} />
        {left !== null && (
          <p className="count" role="status">
            {words.countdown(left)}
          </p>
        )}
      </div>
      <p className={live.hint === "good" ? "hint good" : "hint"} role="status" data-rate={live.rate.toFixed(1)} data-hint={live.hint}>
        {running ? words.hints[live.hint] : words.start}
      </p>
      <p className="quiet small live-words">{words.zones}</p>
      <div className="row centred">
        <Button className="button" onPress={() => go("welcome")}>
          {words.cancel}
        </Button>
        <Button className="button primary" isDisabled={!running || left !== null} onPress={() => setLeft(COUNT_FROM)}>
          <Lens />
          {words.capture}
        </Button>
      </div>
    </div>
  );
}

/** Where each part of a look usually goes, live on the mirror, and the lines that were found. */
function Overlay({ live, domains }: { live: Live; domains: readonly Domain[] }) {
  const colours = new Map(domains.map(({ id, colour }) => [id, colour]));
  const [width, height] = live.size;
  return (
    <svg className={live.hint === "good" ? "overlay good" : "overlay"} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <ellipse className="guide" cx={width / 2} cy={height / 2} rx={height * 0.3} ry={height * 0.4} />
      {live.zones.map(({ zone, domain, points }, index) => (
        <path key={index} className="live" data-zone={zone} fill={colours.get(domain)} d={`M${points.map((one) => one.join(" ")).join("L")}Z`} />
      ))}
      {live.landmarks &&
        STROKES.map((stroke, index) => <path key={index} d={`M${stroke.map((one) => live.landmarks![one]!.join(" ")).join("L")}`} />)}
    </svg>
  );
}
