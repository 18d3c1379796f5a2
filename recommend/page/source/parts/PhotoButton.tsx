import type { ReactNode } from "react";
import { Button, FileTrigger } from "react-aria-components";
import { MAX_PHOTOS } from "../core/adviser";

/** A button that opens the device's own file picker. */
export function PhotoButton({
  onPhotos, className, children,
}: {
  onPhotos: (photos: readonly Blob[]) => void;
  className: string;
  children: ReactNode;
}) {
  return (
    <FileTrigger
      acceptedFileTypes={["image/*"]}
      allowsMultiple
      onSelect={(files) => {
        const photos = [...(files ?? [])].slice(0, MAX_PHOTOS);
        if (photos.length > 0) onPhotos(photos);
      }}
    >
      <Button className={className}>{children}</Button>
    </FileTrigger>
  );
}
