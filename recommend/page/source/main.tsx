import { createRoot } from "react-dom/client";
import { App } from "./App";
import { takeKey } from "./core/api";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/journey.css";
import "./styles/face.css";
import "./styles/preview.css";
import "./styles/result.css";
import "./styles/cards.css";
import "./styles/panels.css";
import "./styles/print.css";

void takeKey().then((token) => createRoot(document.getElementById("page")!).render(<App token={token} />));
