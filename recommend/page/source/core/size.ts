import { type RefObject, useEffect, useState } from "react";

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
