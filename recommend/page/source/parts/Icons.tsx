/** The few line icons of the page; all are decoration beside words. */

import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      {children}
    </svg>
  );
}

export const Shield = () => (
  <Icon>
    <path d="M12 3.5 5 6v5.5c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6z" />
    <path d="m9 12 2.2 2.2L15.2 10" />
  </Icon>
);
export const Heart = () => (
  <Icon>
    <path d="M12 19.5C6.8 16 4 13 4 9.6A4.1 4.1 0 0 1 12 8a4.1 4.1 0 0 1 8 1.6c0 3.4-2.8 6.4-8 9.9z" />
  </Icon>
);
export const Cross = () => (
  <Icon>
    <path d="M7 7l10 10M17 7 7 17" />
  </Icon>
);
export const Picture = () => (
  <Icon>
    <rect x="3.5" y="5" width="17" height="14" rx="2" />
    <circle cx="9" cy="10" r="1.6" />
    <path d="m4 17 5-4 3.5 2.5L16 12l4.5 4" />
  </Icon>
);
export const Lens = () => (
  <Icon>
    <path d="M4.5 8h3l1.6-2.5h5.8L16.5 8h3a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1z" />
    <circle cx="12" cy="13" r="3.4" />
  </Icon>
);
export const Arrow = ({ back = false }: { back?: boolean }) => (
  <Icon>
    <path d={back ? "M14.5 6 8.5 12l6 6" : "m9.5 6 6 6-6 6"} />
  </Icon>
);
export const Star = () => (
  <svg className="icon star" viewBox="0 0 24 24" aria-hidden="true">
    <path d="m12 4 2.3 5 5.4.6-4 3.7 1.1 5.3L12 16l-4.8 2.6 1.1-5.3-4-3.7L9.7 9z" />
  </svg>
);
