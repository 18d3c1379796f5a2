import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import type { Language } from "../core/types";
import { useWords } from "../language";
import { PrivacyBadge } from "./PrivacyBadge";

export function Header() {
  const { state, speak } = useAdviser();
  const words = useWords();
  return (
    <header className="top">
      <p className="brand">Mien</p>
      <div className="top-tools">
        <PrivacyBadge />
        <ToggleButtonGroup
          aria-label={words.language}
          className="segments small"
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[state.language]}
          onSelectionChange={(keys) => speak([...keys][0] as Language)}
        >
          <ToggleButton id="zh" className="segment">
            <span lang="zh-Hans">中文</span>
          </ToggleButton>
          <ToggleButton id="en" className="segment">
            <span lang="en">English</span>
          </ToggleButton>
        </ToggleButtonGroup>
      </div>
    </header>
  );
}
