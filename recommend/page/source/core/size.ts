import { type CSSProperties, type RefObject, useEffect, useState } from "react";
import type { Box } from "./geometry";

/** The proportions of the shown part of the photo, for the style sheets. */
export function ratioOf({ width, height }: Box): CSSProperties {
  return { "--ratio": (width / height).toFixed(4) } as CSSProperties;
}

/** The width of an element in CSS pixels, followed as it changes. */
export function useWidth(element: RefObject<Element | null>, first = 480): number {
  const [width, setWidth] = useState(first);
  useEffect(() => {
    if (!element.current) return undefined;
    const observer = new ResizeObserver(([entry]) => entry && entry.contentRect.width > 0 && setWidth(entry.contentRect.width));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
