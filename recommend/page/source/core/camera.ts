/** The camera, and what the adviser finds in its frames while somebody looks into it. */

import { type RefObject, useEffect, useRef, useState } from "react";
import { type Api, ApiProblem } from "./api";
import { brightnessOf, type Hint, hintFor } from "./framing";
import type { LiveZone, Point } from "./types";

const FRAME_WIDTH = 320;
const QUALITY = 0.8;

export interface Live {
  landmarks: Point[] | null;
  zones: readonly LiveZone[];
  size: [number, number];
  hint: Hint;
  /** Answered frames a second, averaged over the last ones. */
  rate: number;
}

const NOTHING: Live = { landmarks: null, zones: [], size: [FRAME_WIDTH, 240], hint: "waiting", rate: 0 };

/** Open the camera into a video element, and close it when the page moves on. */
export function useCamera(video: RefObject<HTMLVideoElement | null>, fail: (error: unknown) => void): boolean {
  const [running, setRunning] = useState(false);
  useEffect(() => {
    let stream: MediaStream | null = null;
    let current = true;
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    void (async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({
          video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } },
          audio: false,
        });
        if (!current || !video.current) return stop();
        video.current.srcObject = stream;
        await video.current.play();
        setRunning(true);
      } catch (error) {
        if (!current) return undefined;
        const missing = error instanceof DOMException && error.name === "NotFoundError";
        fail(new ApiProblem(missing ? "camera_none" : "camera_denied", ""));
      }
      return undefined;
    })();
    return () => {
      current = false;
      stop();
    };
  }, [video, fail]);
  return running;
}

/** Send small frames one after the other, each as soon as the one before was answered. */
export function useTracking(video: RefObject<HTMLVideoElement | null>, api: Api, running: boolean, fail: (error: unknown) => void): Live {
  const [live, setLive] = useState<Live>(NOTHING);
  const pace = useRef({ last: 0, rate: 0 });
  useEffect(() => {
    if (!running) return undefined;
    let current = true;
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { willReadFrequently: true })!;
    const one = async () => {
      const source = video.current;
      if (!source || source.videoWidth === 0) return;
      canvas.width = FRAME_WIDTH;
      canvas.height = Math.round((FRAME_WIDTH * source.videoHeight) / source.videoWidth);
      pen.drawImage(source, 0, 0, canvas.width, canvas.height);
      const light = brightnessOf(pen.getImageData(0, 0, canvas.width, canvas.height).data);
      const frame = await jpeg(canvas, QUALITY);
      const { landmarks, zones } = await api.track(frame);
      if (!current) return;
      const size: [number, number] = [canvas.width, canvas.height];
      setLive({ landmarks, zones, size, hint: hintFor(landmarks, size, light), rate: paced(pace.current) });
    };
    void (async () => {
      while (current) {
        try {
          await one();
        } catch (error) {
          const busy = error instanceof ApiProblem && error.kind === "BusyError";
          if (!busy) {
            if (current) fail(error);
            return;
          }
          await new Promise((resolve) => window.setTimeout(resolve, 200));
        }
        await new Promise((resolve) => window.requestAnimationFrame(resolve));
      }
    })();
    return () => void (current = false);
  }, [video, api, running, fail]);
  return live;
}

function paced(pace: { last: number; rate: number }): number {
  const now = performance.now();
  const rate = pace.last === 0 ? 0 : 1000 / Math.max(1, now - pace.last);
  pace.rate = pace.rate === 0 ? rate : 0.9 * pace.rate + 0.1 * rate;
  pace.last = now;
  return pace.rate;
}

/** The camera's whole picture, not mirrored. */
export function shoot(video: HTMLVideoElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  return jpeg(canvas, 0.95);
}

function jpeg(canvas: HTMLCanvasElement, quality: number): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new ApiProblem("UnreadableImageError", ""))), "image/jpeg", quality);
  });
}
