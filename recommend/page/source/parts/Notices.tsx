import { useAdviser } from "../core/adviser";
import { useWords } from "../language";

/** What the photo does not allow, each with what to do about it; nothing where the photo is good. */
export function Notices() {
  const { state } = useAdviser();
  const words = useWords().reading;
  const notices = state.look?.notices ?? [];
  if (notices.length === 0) return null;
  return (
    <ul className="notices" aria-label={words.photo}>
      {notices.map((notice) => (
        <li key={notice.code} data-notice={notice.code}>
          <strong>{notice.text}</strong> {notice.next}
        </li>
      ))}
    </ul>
  );
}
